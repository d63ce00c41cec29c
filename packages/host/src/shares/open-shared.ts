import { readlink } from "node:fs/promises";
import { InvalidArgumentError } from "@mvm/protocol";
import { handleOn, release, statOf, through } from "./host-files.js";
import type { SharedDirectory } from "./shared-directory.js";

/**
 * Opens the very directory that was admitted: one that has been moved away, or replaced by a link, since then is refused.
 * @param real its real name
 * @throws {InvalidArgumentError}
 */
export async function openShared(real: string, readOnly: boolean): Promise<SharedDirectory> {
  const refuse = (): never => {
    throw new InvalidArgumentError({
      message: `Cannot share ${JSON.stringify(real.slice(0, 256))}: it is no longer the directory that was admitted`,
      hint: "Put it back, or create the sandbox again with the directory it is to see",
      context: { argument: "mounts" },
    });
  };
  const handle = await handleOn(real).catch(refuse);
  try {
    const stats = await statOf(handle);
    // A link in the middle of the path leads elsewhere: the kernel knows what was really opened.
    if (!stats.isDirectory() || (await readlink(through(handle))) !== real) refuse();
    return { handle, stats, readOnly };
  } catch (error) {
    release(handle);
    throw error;
  }
}
