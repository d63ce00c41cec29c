import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp, sweepBuildTemps } from "./build-temp.js";
import { runChild } from "./child.js";
import { debianSources, type DebianSourceOptions } from "./debian-source.js";
import { syncPath } from "./durable.js";
import { imageError } from "./errors.js";
import type { ModuleFile } from "./initramfs.js";
import { wantedModules } from "./kernel-modules.js";
import { readKernelTree, type KernelTree } from "./kernel-tree.js";
import { imageLayout, makeImageLayout } from "./layout.js";
import { PrivateApt } from "./private-apt.js";
import type { BuildControl } from "./progress.js";

/** A kernel kept under the state root, ready to be joined with an agent. */
export interface Kernel {
  version: string;
  /** Debian release it came from. */
  suite: string;
  /** Path of the compressed kernel image. */
  vmlinuz: string;
  vmlinuzSha256: string;
  /** Decompressed, in load order. */
  modules: ModuleFile[];
}

interface KernelRecord {
  schema_version: 1;
  version: string;
  suite: string;
  packages: string[];
  vmlinuz_sha256: string;
  /** What was asked for; one of an older version may lack what machines need now. */
  wanted?: string[];
  order: string[];
}

const metaPackage = "linux-image-cloud-amd64";

/** The newest kernel already here with every module a machine needs, or undefined. Never touches the network. */
export async function installedKernel(home: string): Promise<Kernel | undefined> {
  const { kernels } = imageLayout(home);
  const versions = (await readdir(kernels).catch(() => [] as string[])).sort(byVersion).reverse();
  for (const version of versions) {
    if (await isComplete(join(kernels, version))) return readKernel(join(kernels, version));
  }
  return undefined;
}

async function isComplete(directory: string): Promise<boolean> {
  const { wanted = [] } = await readRecord(directory);
  return wantedModules.every((name) => wanted.includes(name));
}

async function readRecord(directory: string): Promise<KernelRecord> {
  return JSON.parse(await readFile(join(directory, "kernel.json"), "utf8")) as KernelRecord;
}

/** The kernel in a directory of this layout. */
export async function readKernel(directory: string): Promise<Kernel> {
  const record = await readRecord(directory);
  const modules = await Promise.all(
    record.order.map(async (name) => ({ name, content: await readFile(join(directory, "modules", `${name}.ko`)) })),
  );
  return {
    version: record.version,
    suite: record.suite,
    vmlinuz: join(directory, "vmlinuz"),
    vmlinuzSha256: record.vmlinuz_sha256,
    modules,
  };
}

/**
 * Fetches Debian's cloud kernel, checked by apt against the archive's signature, and keeps its image and the few
 * modules a machine needs. Throws `AssetDownloadError`, `VmDependencyError` or
 * `BuildError`.
 */
export async function fetchKernel(home: string, options: DebianSourceOptions & BuildControl = {}): Promise<Kernel> {
  const layout = await makeImageLayout(home);
  await sweepBuildTemps(home);
  const log = join(layout.logs, "kernel.log");
  const temp = await makeBuildTemp(home);
  try {
    const sources = await debianSources(options, log);
    const { apt, source } = await PrivateApt.openFirst(join(temp.path, "apt"), sources, log, options);
    options.onProgress?.({ phase: "kernel-download", detail: `${metaPackage} (${source.suite})` });
    const tree = join(temp.path, "tree");
    const packages = await kernelPackages(apt);
    for (const name of packages) {
      const deb = await apt.download(name, join(temp.path, "debs"));
      await runChild("dpkg-deb", ["--extract", deb, tree], { log, timeoutMs: 120_000, signal: options.signal });
    }
    options.onProgress?.({ phase: "kernel-modules" });
    const kernel = await readKernelTree(tree, wantedModules);
    const staged = join(temp.path, "kernel");
    await writeKernel(staged, kernel, source.suite, packages);
    await placeKernel(home, staged, kernel.version);
  } finally {
    await temp.remove();
  }
  const kernel = await installedKernel(home);
  if (kernel === undefined) throw imageError("build", "Cannot keep the kernel: it is not where it was put");
  return kernel;
}

/** Puts a finished kernel directory under its version. */
export async function placeKernel(home: string, staged: string, version: string): Promise<void> {
  const { kernels } = imageLayout(home);
  const place = join(kernels, version);
  try {
    await rename(staged, place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    // It is there already: each was verified before it was placed. One with fewer modules makes way.
    if (await isComplete(place)) return;
    await rename(place, `${staged}.old`);
    await rename(staged, place);
  }
  await syncPath(kernels);
}

/** The packages behind the meta package: the image itself and, in releases that split them, its modules. */
async function kernelPackages(apt: PrivateApt): Promise<string[]> {
  const dependencies = async (name: string): Promise<string[]> => {
    const depends = /^Depends: (.*)$/m.exec(await apt.show(name))?.[1] ?? "";
    return [...depends.matchAll(/linux-(?:image|modules|binary)-\d[^\s,]*/g)].map((match) => match[0]);
  };
  const found = new Set<string>();
  const queue = await dependencies(metaPackage);
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (found.has(name)) continue;
    found.add(name);
    queue.push(...(await dependencies(name)));
  }
  if (found.size === 0) throw imageError("download", `Cannot tell which kernel ${metaPackage} stands for`);
  return [...found];
}

async function writeKernel(directory: string, kernel: KernelTree, suite: string, packages: string[]): Promise<void> {
  await mkdir(join(directory, "modules"), { recursive: true, mode: 0o700 });
  for (const module of kernel.modules) await writeFile(join(directory, "modules", `${module.name}.ko`), module.content);
  await writeFile(join(directory, "vmlinuz"), kernel.vmlinuz);
  const record: KernelRecord = {
    schema_version: 1,
    version: kernel.version,
    suite,
    packages,
    vmlinuz_sha256: createHash("sha256").update(kernel.vmlinuz).digest("hex"),
    wanted: [...wantedModules],
    order: kernel.modules.map((module) => module.name),
  };
  await writeFile(join(directory, "kernel.json"), `${JSON.stringify(record, null, 2)}\n`);
  for (const file of ["vmlinuz", "kernel.json"]) await syncPath(join(directory, file));
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
