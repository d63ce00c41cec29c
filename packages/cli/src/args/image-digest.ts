import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** Digest of an image where it comes from. */
export const imageDigest: ArgType<string> = {
  label: "DIGEST",
  parse: (text) => {
    if (/^sha256:[0-9a-f]{64}$/.test(text)) return text;
    throw invalidArgument("Cannot read the digest: it is not sha256: and 64 lower-case hexadecimal digits");
  },
};
