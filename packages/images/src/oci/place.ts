import { imageError } from "../errors.js";
import { digestPattern } from "../manifest.js";

/** Where an image comes from, as `image pull` is told. */
export type ImagePlace =
  | {
      readonly kind: "registry";
      readonly registry: string;
      readonly repository: string;
      readonly tag: string | null;
      readonly digest: string | null;
    }
  /** Output of `docker save`. */
  | { readonly kind: "docker-archive"; readonly path: string; readonly tag: string | null }
  /** An OCI layout: a folder, or a tar of one. */
  | { readonly kind: "oci" | "oci-archive"; readonly path: string; readonly tag: string | null }
  /** A root file system: a folder, or a tar of one, gzipped or not. */
  | { readonly kind: "rootfs"; readonly path: string };

const schemes = ["docker-archive", "oci-archive", "oci", "rootfs"] as const;
const repositoryPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const registryPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
/** All of them are Docker Hub. */
const hubNames = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
export const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, `docker-archive:FILE[:TAG]`, `oci:FOLDER[:TAG]`, `oci-archive:FILE[:TAG]` or
 * `rootfs:PATH`. Without a registry it is Docker Hub's, as everywhere.
 * @throws {InvalidArgumentError}
 */
export function parsePlace(text: string): ImagePlace {
  for (const kind of schemes) {
    if (!text.startsWith(`${kind}:`)) continue;
    const rest = text.slice(kind.length + 1);
    if (kind === "rootfs") return rest.startsWith("/") ? { kind, path: rest } : refuse(text);
    const [, path = "", tag = null] = /^(\/[^:]*)(?::(.+))?$/.exec(rest) ?? refuse(text);
    return { kind, path, tag };
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? null : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  const slash = rest.indexOf("/");
  const first = slash < 0 ? "" : rest.slice(0, slash);
  const named = namesRegistry(first);
  const registry = named ? canonicalRegistry(first) : "docker.io";
  const [, path = "", tag = null] = /^([^:]*)(?::([^:]*))?$/.exec(named ? rest.slice(slash + 1) : rest) ?? refuse(text);
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  const wrong =
    registry === undefined ||
    !repositoryPattern.test(repository) ||
    (tag !== null && !tagPattern.test(tag)) ||
    (digest !== null && !digestPattern.test(digest));
  if (wrong) return refuse(text);
  return { kind: "registry", registry, repository, tag: tag ?? (digest === null ? "latest" : null), digest };
}

/** Whether the first part of a place is a registry, and not of a repository of Docker Hub. */
export function namesRegistry(first: string): boolean {
  return /[.:[]/.test(first) || first === "localhost";
}

/** A registry in its one spelling: what holds for it must hold however it is written. Undefined: it is none. */
export function canonicalRegistry(written: string): string | undefined {
  const [, host = "", port] = /^(.*?)(?::(\d+))?$/.exec(written) ?? [];
  if (!registryPattern.test(written) || !URL.canParse(`https://${host}/`)) return undefined;
  const { hostname } = new URL(`https://${host}/`);
  if (hubNames.includes(hostname)) return "docker.io";
  return port === undefined ? hostname : `${hostname}:${Number(port)}`;
}

/** The place as it is recorded; a path of this host stays out of records that travel with images. */
export function placeName(place: ImagePlace): string {
  if (place.kind !== "registry") {
    const name = place.path.slice(place.path.lastIndexOf("/") + 1);
    return `${place.kind}:${name}${place.kind !== "rootfs" && place.tag !== null ? `:${place.tag}` : ""}`;
  }
  return `${place.registry}/${place.repository}${place.tag === null ? "" : `:${place.tag}`}`;
}

/** What an image from there is called unless its caller says: the last part of its name. */
export function defaultName(place: ImagePlace): string {
  const path = place.kind === "registry" ? place.repository : place.path.replace(/\.(?:tar|tgz|tar\.gz)$/, "");
  const last = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return (
    last
      .replace(/[^a-z0-9._-]/g, "-")
      .replace(/^[^a-z0-9]+/, "")
      .slice(0, 64) || "image"
  );
}

function refuse(text: string): never {
  throw imageError("invalid", `Cannot read ${JSON.stringify(text.slice(0, 200))}: it names no place of an image`, {
    hint: text.startsWith("nix:")
      ? `Build a flake with \`mvmctl image build ${text.slice(0, 200)}\``
      : "Use [REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST], docker-archive:FILE, oci:FOLDER, oci-archive:FILE or rootfs:PATH",
  });
}
