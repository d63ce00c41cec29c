import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { VmDependencyError } from "@mvm/protocol";

const run = promisify(execFile);
const programs = { "mkfs.erofs": "erofs-utils", mount: "util-linux" } as const;
const places = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** Programs of the host that pack an image, with every library they load, to be brought into any guest. */
export interface PackingTools {
  /** File names and contents; they lie in one directory of the guest. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Name of the loader that starts the others. */
  readonly loader: string;
  /** Hex sha256 over all of it. */
  readonly sha256: string;
}

let found: Promise<PackingTools> | undefined;

/**
 * The host's own programs, read once: a guest needs no tools of its own, and two builds on one host pack alike.
 * @throws {VmDependencyError} one is not installed
 */
export function packingTools(): Promise<PackingTools> {
  found ??= collect().catch((error: unknown) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function collect(): Promise<PackingTools> {
  const files = new Map<string, Buffer>();
  let loader = "";
  for (const [program, debian] of Object.entries(programs)) {
    const path = await find(program, debian);
    files.set(program, await readFile(path));
    const { stdout } = await run("ldd", [path], { env: { PATH: "/usr/bin:/bin", LC_ALL: "C" } });
    for (const [, library = ""] of stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)) {
      if (/\/ld-[^/]*$/.test(library)) loader = basename(library);
      files.set(basename(library), await readFile(await realpath(library)));
    }
  }
  const hash = createHash("sha256");
  for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0${content.byteLength}\0`).update(content);
  }
  return { files, loader, sha256: hash.digest("hex") };
}

async function find(program: string, debian: string): Promise<string> {
  for (const place of places) {
    const path = await realpath(join(place, program)).catch(() => undefined);
    if (path !== undefined) return path;
  }
  throw new VmDependencyError({
    message: `Cannot build an image: the program "${program}" is not installed`,
    hint: `Install the Debian package ${debian}, or run \`mvmctl setup\``,
    outcome: "not_started",
  });
}
