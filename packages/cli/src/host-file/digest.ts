import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { unreadable } from "./read.js";

/** Hex sha256 of a file of the host, read anew and as a stream. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (error) {
    throw unreadable(JSON.stringify(path), error);
  }
  return hash.digest("hex");
}
