import { canonicalRegistry, type ImageTrust, namesRegistry } from "@mvm/images";

/** Whose images are taken from where. */
export interface TrustRule {
  readonly match: PlaceMatch;
  /** Undefined: whoever's, signed or not. */
  readonly trust: ImageTrust | undefined;
}

/** Some repositories: one, those below a path, those of a registry, or all. */
export interface PlaceMatch {
  /** The rule's own words, in their one spelling. */
  readonly text: string;
  /** Null: every registry. */
  readonly host: string | null;
  /** Null: every port. */
  readonly port: string | null;
  /** The repository, or how it begins, with a slash at its end. */
  readonly path: string;
  readonly isPrefix: boolean;
}

const pathPattern = /^(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*\/)*(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*|\*)$/;

/**
 * Reads `REGISTRY/REPOSITORY`, `REGISTRY/PATH/*`, `REGISTRY/*` or `*`; the registry in any of its spellings, so that a rule never
 * misses what it is about. Throws with what is wrong.
 */
export function parseMatch(written: unknown): PlaceMatch {
  if (written === "*") return { text: written, host: null, port: null, path: "", isPrefix: true };
  const [, first = "", rest = ""] = /^([^/]+)\/(.+)$/.exec(typeof written === "string" ? written : "") ?? [];
  const registry = namesRegistry(first) ? canonicalRegistry(first) : undefined;
  if (registry === undefined || !pathPattern.test(rest)) {
    const forms = "REGISTRY/REPOSITORY, REGISTRY/PATH/*, REGISTRY/* or *";
    throw new Error(`"match" is ${forms}, and not ${JSON.stringify(written)}`);
  }
  const isPrefix = rest.endsWith("*");
  const path = isPrefix
    ? rest.slice(0, -1)
    : registry === "docker.io" && !rest.includes("/")
      ? `library/${rest}`
      : rest;
  const { host, port } = split(registry);
  return { text: `${registry}/${path}${isPrefix ? "*" : ""}`, host, port, path, isPrefix };
}

function split(registry: string): { host: string; port: string | null } {
  const [, host = registry, port = null] = /^(.*?)(?::(\d+))?$/.exec(registry) ?? [];
  return { host, port };
}

/** The rule that holds for a repository: the one that says most about it. Undefined: none does. */
export function ruleFor(
  rules: readonly TrustRule[],
  { registry, repository }: { registry: string; repository: string },
): TrustRule | undefined {
  const { host, port } = split(registry);
  const holding = rules.filter(({ match }) => {
    // A registry without a port has that of its scheme.
    const samePort =
      match.port === null || match.port === port || (port === null && ["80", "443"].includes(match.port));
    const sameHost = match.host === null || (match.host === host && samePort);
    return sameHost && (match.isPrefix ? repository.startsWith(match.path) : repository === match.path);
  });
  const weight = ({ match }: TrustRule): number =>
    (match.host === null ? 0 : 2 + 2 * match.path.length) + (match.port === null ? 0 : 1);
  return holding.sort((one, other) => weight(other) - weight(one))[0];
}
