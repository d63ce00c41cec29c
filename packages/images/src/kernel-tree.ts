import { readFile, readdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { imageError } from "./errors.js";
import type { ModuleFile } from "./initramfs.js";
import { moduleName, resolveModuleOrder } from "./kernel-modules.js";
import { readModuleNeeds } from "./module-info.js";

const decompressors: Readonly<Record<string, string>> = { xz: "xz", zst: "zstd", gz: "gzip" };
const maxModuleBytes = 64 * 1024 * 1024;

/** What is taken out of an unpacked kernel package. */
export interface KernelTree {
  version: string;
  vmlinuz: Buffer;
  /** Decompressed, in load order. */
  modules: ModuleFile[];
}

/** Reads an unpacked Debian kernel package. Throws `BuildError` when it is not laid out as one. */
export async function readKernelTree(tree: string, wanted: readonly string[]): Promise<KernelTree> {
  const root = ["lib/modules", "usr/lib/modules"].map((path) => join(tree, path)).find((path) => existsSync(path));
  const version = root === undefined ? undefined : (await readdir(root))[0];
  if (root === undefined || version === undefined)
    throw imageError("build", "Cannot read the kernel: no modules in it");
  const base = join(root, version);
  const paths = new Map<string, string>();
  for (const file of await readdir(join(base, "kernel"), { recursive: true })) {
    if (/\.ko(\.\w+)?$/.test(file)) paths.set(moduleName(file), join(base, "kernel", file));
  }
  const contents = new Map<string, Promise<Uint8Array>>();
  const content = (name: string): Promise<Uint8Array> => {
    const known = contents.get(name) ?? decompress(paths.get(name) ?? "");
    contents.set(name, known);
    return known;
  };
  const builtin = await readFile(join(base, "modules.builtin"), "utf8");
  const order = await resolveModuleOrder(wanted, {
    builtin: new Set(builtin.split("\n").filter(Boolean).map(moduleName)),
    has: (name) => paths.has(name),
    needs: async (name) => readModuleNeeds(await content(name)),
  });
  const modules = await Promise.all(order.map(async (name) => ({ name, content: await content(name) })));
  return { version, vmlinuz: await readFile(join(tree, "boot", `vmlinuz-${version}`)), modules };
}

async function decompress(path: string): Promise<Uint8Array> {
  if (path.endsWith(".ko")) return readFile(path);
  const tool = decompressors[path.slice(path.lastIndexOf(".") + 1)];
  if (tool === undefined) throw imageError("build", `Cannot decompress kernel module ${path}`);
  const { stdout } = await execa(tool, ["-dc", path], {
    encoding: "buffer",
    maxBuffer: maxModuleBytes,
    timeout: 30_000,
  });
  return stdout;
}
