import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild } from "../child.js";
import { cachedSha256 } from "../digest-cache.js";
import { imageTime } from "../finish-script.js";

/** One source of a copy. */
export interface ArchiveSource {
  /** Absolute directory the names are relative to. */
  readonly root: string;
  /** Each begins with `.`; parents before what is in them, none of them through a link. */
  readonly names: readonly string[];
  /** Whether the content of a directory is meant, or single files. */
  readonly kind: "dir" | "file";
}

/**
 * Packs sources into one tar, `0/dir/…`, `1/file/…`, with fixed order, times and owners: its sha256 stands for the content. The files
 * are read once, so what is hashed is what the guest gets.
 */
export async function packArchive(
  sources: readonly ArchiveSource[],
  file: string,
  options: { directory: string; log: string; signal?: AbortSignal | undefined },
): Promise<{ archive: string; sha256: string; size: number }> {
  await mkdir(options.directory, { recursive: true });
  for (const [index, { root, names, kind }] of sources.entries()) {
    const list = join(options.directory, `names-${index}`);
    await writeFile(
      list,
      [...names]
        .sort()
        .map((name) => `${name}\0`)
        .join(""),
    );
    const args = [
      index === 0 ? "--create" : "--append",
      `--file=${file}`,
      "--format=posix",
      "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
      `--mtime=@${imageTime}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--no-recursion",
      "--no-acls",
      "--no-selinux",
      "--no-xattrs",
      "--hard-dereference",
      // Names only: what a link points to stays as it is written.
      `--transform=flags=rSh;s|^\\.|${index}/${kind}|`,
      `--directory=${root}`,
      "--null",
      "--verbatim-files-from",
      `--files-from=${list}`,
    ];
    await runChild("tar", args, { log: options.log, timeoutMs: 600_000, signal: options.signal });
  }
  const { sha256, size } = await cachedSha256(file);
  return { archive: file, sha256, size };
}
