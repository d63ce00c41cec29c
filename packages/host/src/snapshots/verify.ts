import { lstatSync } from "node:fs";
import { join } from "node:path";
import { SnapshotMismatchError, type SnapshotPart } from "@mvm/protocol";
import { digestFile, type DataRange } from "./digest.js";

/** Digests of files that were read before and have not changed since, by path. */
export type VerifiedFiles = Map<string, { readonly stamp: string; readonly part: SnapshotPart }>;

/**
 * Reads every part and compares it with the manifest. A file that was verified before and has the same inode, size and change
 * time is not read again: nothing can change a file without changing its change time.
 * @throws {SnapshotMismatchError} a part is missing, swapped or changed
 */
export async function verifyParts(
  directory: string,
  parts: readonly SnapshotPart[],
  what: string,
  options: {
    readonly ranges: (path: string) => Promise<readonly DataRange[]>;
    readonly verified: VerifiedFiles;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  for (const expected of parts) {
    const path = join(directory, expected.name);
    const found = await digestCached(path, expected.name, options).catch((error: unknown) => {
      options.signal?.throwIfAborted();
      throw mismatch(
        what,
        expected.name,
        (error as NodeJS.ErrnoException).code === "ENOENT" ? "missing" : "unreadable",
      );
    });
    if (found.bytes !== expected.bytes || found.sha256 !== expected.sha256)
      throw mismatch(what, expected.name, "changed");
  }
}

async function digestCached(
  path: string,
  name: string,
  { ranges, verified, signal }: Parameters<typeof verifyParts>[3],
): Promise<SnapshotPart> {
  const stamp = stampOf(path);
  const known = verified.get(path);
  if (known?.stamp === stamp) return known.part;
  const part = await digestFile(path, name, ranges, signal);
  // A change during the read would otherwise be remembered as verified.
  if (stampOf(path) === stamp) verified.set(path, { stamp, part });
  return part;
}

/** Takes a digest that was computed from the file under another name: it need not be read again. */
export function remember(verified: VerifiedFiles, path: string, part: SnapshotPart): void {
  verified.set(path, { stamp: stampOf(path), part });
}

/** Every change of a file changes its stamp. One with several names counts by its content's time only: a name more is no change. */
function stampOf(path: string): string {
  const { dev, ino, size, nlink, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ...(nlink > 1n ? [] : [ctimeNs])].join(":");
}

function mismatch(what: string, part: string, how: string): SnapshotMismatchError {
  return new SnapshotMismatchError({ message: `Cannot use ${what}: its part "${part}" is ${how}`, context: { part } });
}
