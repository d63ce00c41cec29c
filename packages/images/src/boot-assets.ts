import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { makeBuildTemp } from "./build-temp.js";
import type { DebianSourceOptions } from "./debian-source.js";
import { syncPath, writeDurably, writeJsonDurably } from "./durable.js";
import { imageError } from "./errors.js";
import { buildInitramfs } from "./initramfs.js";
import { fetchKernel, installedKernel } from "./kernel.js";
import { makeImageLayout } from "./layout.js";
import type { BuildControl } from "./progress.js";

/** What a machine is started with; the content of `boot.json`. */
export interface BootRecord {
  schema_version: 1;
  /** sha256 over the two digests below: the name of the directory. */
  id: string;
  kernel_version: string;
  suite: string;
  vmlinuz_sha256: string;
  initramfs_sha256: string;
  agent_sha256: string;
}

export interface BootAssets {
  record: BootRecord;
  vmlinuz: string;
  initramfs: string;
}

export interface BootAssetOptions extends DebianSourceOptions, BuildControl {
  home: string;
  /** The static agent binary that becomes `/init`. */
  agentPath: string;
}

/**
 * Gives the kernel and the initramfs for this agent. Fetches a kernel only when none is here; packs the initramfs
 * anew when the agent's bytes changed; otherwise reads ~4 MB and returns. Older directories stay until `gc`, since
 * running machines and templates name them.
 */
export async function ensureBootAssets(options: BootAssetOptions): Promise<BootAssets> {
  const layout = await makeImageLayout(options.home);
  const agent = await readFile(options.agentPath).catch((error: unknown) => {
    throw imageError("not_found", `Cannot read the guest agent at ${options.agentPath}`, {
      hint: "Run `./mvmctl setup` to build it",
      cause: error,
    });
  });
  const kernel = (await installedKernel(options.home)) ?? (await fetchKernel(options.home, options));
  const image = buildInitramfs({ agent, modules: kernel.modules });
  const initramfsSha256 = sha256(image);
  const record: BootRecord = {
    schema_version: 1,
    id: sha256(`${kernel.vmlinuzSha256} ${initramfsSha256}`),
    kernel_version: kernel.version,
    suite: kernel.suite,
    vmlinuz_sha256: kernel.vmlinuzSha256,
    initramfs_sha256: initramfsSha256,
    agent_sha256: sha256(agent),
  };
  const directory = join(layout.boot, record.id);
  const assets = { record, vmlinuz: join(directory, "vmlinuz"), initramfs: join(directory, "initramfs") };
  if (
    (await fileSha256(assets.initramfs)) === initramfsSha256 &&
    (await fileSha256(assets.vmlinuz)) === record.vmlinuz_sha256
  ) {
    return assets;
  }
  options.onProgress?.({ phase: "initramfs", detail: kernel.version });
  const temp = await makeBuildTemp(options.home);
  try {
    const staged = join(temp.path, "boot");
    await mkdir(staged, { mode: 0o700 });
    await copyFile(kernel.vmlinuz, join(staged, "vmlinuz"));
    if ((await fileSha256(join(staged, "vmlinuz"))) !== record.vmlinuz_sha256) {
      throw imageError("checksum", `Cannot use kernel ${kernel.version}: its image differs from its record`, {
        hint: `Remove ${layout.kernels} and run \`./mvmctl setup\``,
      });
    }
    await syncPath(join(staged, "vmlinuz"));
    await writeDurably(join(staged, "initramfs"), image);
    await writeJsonDurably(join(staged, "boot.json"), record);
    // Machines run under an id of their own; the state root around it keeps everyone else out.
    for (const file of ["vmlinuz", "initramfs"]) await chmod(join(staged, file), 0o444);
    await replaceDirectory(staged, directory, join(temp.path, "damaged"));
    await syncPath(layout.boot);
  } finally {
    await temp.remove();
  }
  return assets;
}

/** Renames a finished directory into place; one that is there but did not pass the check above is moved away first. */
async function replaceDirectory(staged: string, directory: string, aside: string): Promise<void> {
  await rename(directory, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(staged, directory).catch((error: NodeJS.ErrnoException) => {
    // Another process put the same content there in between.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

async function fileSha256(path: string): Promise<string | undefined> {
  const content = await readFile(path).catch(() => undefined);
  return content === undefined ? undefined : sha256(content);
}
