import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { BuildContext } from "../dockerfile/context.js";
import { imageError } from "../errors.js";
import { packArchive } from "../recipe/archive.js";

/** Never part of a flake: the history, links to results, caches of a shell hook. */
const leftOut = [".git", "result", "result-*", ".direnv"];

/**
 * Packs the directory of a flake as its evaluation shall see it, with links as links, fixed times and owners: its sha256 stands
 * for the content. Nothing of it is evaluated here.
 * @throws {InvalidArgumentError} it is no directory with a `flake.nix`, or too large
 */
export async function packFlake(
  path: string,
  file: string,
  options: { directory: string; log: string; signal?: AbortSignal | undefined },
): Promise<{ archive: string; sha256: string; size: number }> {
  const root = await realpath(path).catch(() => undefined);
  const text = root === undefined ? undefined : await readFile(join(root, "flake.nix"), "utf8").catch(() => undefined);
  if (root === undefined || text === undefined) {
    throw imageError("invalid", "Cannot build the flake: its directory has no file flake.nix", {
      hint: "Name the directory that flake.nix lies in: nix:DIRECTORY#ATTRIBUTE",
    });
  }
  const context = await BuildContext.open(root, leftOut);
  return await packArchive([context.whole()], file, options);
}
