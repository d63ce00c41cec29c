import { createHash } from "node:crypto";
import { digestHex, type ImageRecord } from "./manifest.js";
import { sbomText, sbomType } from "./sbom.js";

/** Something an image is made of, by what it is called and, where it has one, its digest. */
export interface MadeOf {
  readonly uri: string;
  readonly digest?: { readonly sha256: string };
}

/** What an image's record says about where it comes from; whoever signs adds who and when. */
export interface Origins {
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
  readonly sbom: { readonly sha256: string; readonly mediaType: string };
  readonly kind: "catalogue" | "build" | "flake" | "pull";
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly MadeOf[];
  /** RFC 3339, UTC. */
  readonly finishedAt: string;
}

/** Pure: the same record has the same origins. */
export function originsOf(record: ImageRecord): Origins {
  const { name, digest, created_at: finishedAt } = record;
  return {
    ...{ name, sha256: digestHex(digest), finishedAt },
    sbom: { sha256: createHash("sha256").update(sbomText(record)).digest("hex"), mediaType: sbomType },
    ...howMade(record),
  };
}

function howMade(record: ImageRecord): Pick<Origins, "kind" | "parameters" | "dependencies"> {
  const { build, origin, sources, suite, name } = record;
  if (build !== undefined) {
    const flake = origin?.reference.startsWith("nix:") === true;
    const images = [...new Set([build.base, ...(build.sources ?? [])])];
    const dependencies = images.map((image) => ({ uri: "mvm:image", digest: { sha256: digestHex(image) } }));
    const steps = build.steps.map(({ text, sha256 }) => ({ text, digest: { sha256 } }));
    return { kind: flake ? "flake" : "build", parameters: { steps, recipe: build.recipe }, dependencies };
  }
  if (origin !== undefined) {
    const digests = [
      origin.digest,
      origin.manifest_digest,
      origin.config_digest,
      ...origin.layers.map((layer) => layer.digest),
    ];
    const unique = [...new Set(digests.filter((digest) => digest !== null))];
    const dependencies = unique.map((digest) => ({ uri: origin.reference, digest: { sha256: digestHex(digest) } }));
    const { reference, signature } = origin;
    return { kind: "pull", parameters: { reference, ...(signature && { signature }) }, dependencies };
  }
  const dependencies = sources.map(({ uri, suite: from, component }) => ({ uri: `${uri} ${from} ${component}` }));
  return { kind: "catalogue", parameters: { name, suite }, dependencies };
}
