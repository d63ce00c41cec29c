import { imageError } from "./errors.js";
import { digestPattern, imageNamePattern } from "./manifest.js";

/** How a caller names an image. A bare word is first a name, then, if it is hex, the beginning of a digest. */
export type ImageReference =
  | { kind: "name"; name: string; prefix: string | undefined }
  | { kind: "pinned"; name: string; digest: string }
  | { kind: "digest"; digest: string }
  | { kind: "prefix"; prefix: string };

const minimumPrefix = 6;

/** Parses `name`, `name@sha256:…`, `sha256:…` or a digest prefix. Throws `InvalidArgumentError`. */
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
  throw imageError("invalid", `Cannot read image reference "${text}"`, {
    hint: "Use NAME, NAME@sha256:DIGEST, sha256:DIGEST or at least six digits of a digest",
  });
}
