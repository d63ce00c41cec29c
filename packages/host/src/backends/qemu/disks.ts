import { execFile } from "node:child_process";
import { open, truncate } from "node:fs/promises";
import { promisify } from "node:util";
import { VmDependencyError, VmOverlayError } from "@mvm/protocol";

const run = promisify(execFile);

/** Longest a disk tool may take; they only write headers. Milliseconds. */
const toolDeadlineMs = 60_000;

/** Makes a sparse file of `megabytes` MiB with an empty ext4 in it. */
export async function formatDisk(path: string, megabytes: number): Promise<void> {
  await (await open(path, "wx", 0o600)).close();
  await truncate(path, megabytes * 1024 * 1024);
  // Inode tables are not left to be initialised in the guest: every clone would do it again in the background.
  const options = "lazy_itable_init=0,lazy_journal_init=0,discard,root_owner=0:0";
  await tool("mkfs.ext4", [
    "-q",
    "-F",
    "-m",
    "0",
    "-i",
    "16384",
    "-J",
    "size=16",
    "-L",
    "mvm-disk",
    "-E",
    options,
    path,
  ]);
}

/** Makes an empty qcow2 of `megabytes` MiB. It names no backing file: the command line says what lies below it. */
export async function createOverlay(path: string, megabytes: number): Promise<void> {
  const options = "cluster_size=64k,lazy_refcounts=on,extended_l2=off";
  await tool("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, path, `${megabytes}M`]);
}

/** Where a raw file holds data, as its file system tells. Bytes. */
export async function dataRanges(path: string): Promise<{ start: number; length: number }[]> {
  const map = await tool("qemu-img", ["map", "--output=json", "-f", "raw", "--force-share", path]);
  const extents = JSON.parse(map) as { start: number; length: number; data: boolean; zero: boolean }[];
  return extents.filter(({ data, zero }) => data || !zero).map(({ start, length }) => ({ start, length }));
}

async function tool(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], {
      maxBuffer: 256 * 1024 * 1024,
      timeout: toolDeadlineMs,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    });
    return stdout;
  } catch (cause) {
    const failure = cause as NodeJS.ErrnoException & { stderr?: string };
    if (failure.code === "ENOENT") {
      throw new VmDependencyError({
        message: `Cannot prepare a disk: the program "${program}" is not installed`,
        cause,
        outcome: "not_started",
      });
    }
    const stderr = (failure.stderr ?? "").slice(0, 2000);
    throw new VmOverlayError({
      message: `Cannot prepare a disk: ${program} failed: ${(stderr || failure.message).slice(0, 500)}`,
      stderr,
      errorClass: null,
      cause,
      outcome: "not_started",
    });
  }
}
