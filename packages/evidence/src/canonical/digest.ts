import crypto from "node:crypto";

/** One call where this version of Node has it: half of the time for a line of a log. */
const hash: (data: string | Uint8Array) => string =
  "hash" in crypto
    ? (data) => crypto.hash("sha256", data)
    : (data) => crypto.createHash("sha256").update(data).digest("hex");

/** SHA-256 in lower-case hexadecimal. Text counts as UTF-8. */
export function sha256(data: string | Uint8Array): string {
  return hash(data);
}
