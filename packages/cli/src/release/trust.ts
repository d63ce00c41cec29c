import { readFile } from "node:fs/promises";
import { trustOfKey, type ReleaseTrust } from "@mvm/images/release";
import { createError } from "@mvm/protocol/errors";
import { hostFile } from "../args/host-path.js";
import { option } from "../command/define.js";
import { required } from "./required.js";

export const releaseKey = option(
  { ...hostFile, label: "PUB" },
  "Public key of whoever publishes the release: of minisign, or in PEM; required",
);

/** The key named on the command line. @param example a line that would work */
export async function trustFrom(path: string | undefined, example: string): Promise<ReleaseTrust> {
  const file = required(path, "--key", example);
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw createError("INVALID_ARGUMENT", {
      message: `Cannot read the key ${JSON.stringify(file)}: ${cause.code ?? cause.message}`,
      hint: "Give the public key of whoever publishes the release",
      cause,
    });
  });
  return trustOfKey(text);
}
