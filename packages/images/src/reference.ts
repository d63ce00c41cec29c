import { imageError } from "./errors.js";
import { flakeName, parseFlake } from "./flake/place.js";
import { parsePlace, placeName } from "./oci/place.js";
import { digestPattern, imageNamePattern } from "./manifest.js";

/** How a caller names an image. A bare word is first a name, then, if it is hex, the beginning of a digest. */
export type ImageReference =
  | { kind: "name"; name: string; prefix: string | undefined }
  | { kind: "pinned"; name: string; digest: string }
  | { kind: "digest"; digest: string }
  | { kind: "prefix"; prefix: string }
  /** A place an image was pulled from, and the digest it had there. */
  | { kind: "origin"; origin: string; digest: string | null };

const minimumPrefix = 6;

/** Parses `name`, `name@sha256:…`, `sha256:…`, a digest prefix, or `registry/repository:tag` of an image that was pulled. Throws `InvalidArgumentError`. */
export function parseReference(text: string): ImageReference {
  const at = text.indexOf("@");
  if (at >= 0) {
    const name = text.slice(0, at);
    const digest = text.slice(at + 1);
    if (imageNamePattern.test(name) && digestPattern.test(digest)) return { kind: "pinned", name, digest };
  } else if (digestPattern.test(text)) {
    return { kind: "digest", digest: text };
  } else {
    const hex = /^(sha256:)?([0-9a-f]+)$/.exec(text);
    const prefix = hex !== null && (hex[2] ?? "").length >= minimumPrefix ? hex[2] : undefined;
    if (hex?.[1] !== undefined && prefix !== undefined) return { kind: "prefix", prefix };
    if (imageNamePattern.test(text)) return { kind: "name", name: text, prefix };
  }
  const flake = parseFlake(text);
  if (flake !== undefined) return { kind: "origin", origin: flakeName(flake), digest: null };
  if (text.includes(":") && !text.startsWith("sha256:")) {
    const place = parsePlace(text);
    return { kind: "origin", origin: placeName(place), digest: place.kind === "registry" ? place.digest : null };
  }
  throw imageError("invalid", `Cannot read image reference "${text}"`, {
    hint: "Use NAME, NAME@sha256:DIGEST, sha256:DIGEST, the place it was pulled from, or at least six digits of a digest",
  });
}
