import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { BootFiles } from "./boot-files.js";
import type { TemplateInputs } from "./template-key.js";

/** What is in use now: everything else was made for something that is no more. */
export interface InUse {
  /** Digests of the images that exist. */
  readonly images: ReadonlySet<string>;
  readonly boot: BootFiles;
  readonly qemu: TemplateInputs["qemu"];
}

export interface Stale {
  readonly kind: "template" | "boot" | "kernel";
  readonly path: string;
}

/**
 * Templates no machine would start from any more, and kernels and initramfs of former versions. Machines that run on them keep
 * what they have open. What is being made has no name yet and is left alone.
 */
export async function findStale(home: string, { images, boot, qemu }: InUse): Promise<Stale[]> {
  const current = dirname(boot.kernel);
  const stale: Stale[] = [];
  for (const name of await visible(join(home, "templates"))) {
    const path = join(home, "templates", name);
    const inputs = await inputsOf(path);
    const used =
      inputs !== undefined &&
      images.has(inputs.imageDigest) &&
      inputs.kernelSha256 === boot.kernelSha256 &&
      inputs.initramfsSha256 === boot.initramfsSha256 &&
      inputs.qemu.version === qemu.version &&
      inputs.qemu.size === qemu.size &&
      inputs.qemu.mtimeMs === qemu.mtimeMs;
    if (!used) stale.push({ kind: "template", path });
  }
  for (const name of await visible(join(home, "boot"))) {
    if (name !== basename(current)) stale.push({ kind: "boot", path: join(home, "boot", name) });
  }
  const version = await kernelVersion(current);
  for (const name of await visible(join(home, "kernels"))) {
    if (version !== undefined && name !== version) stale.push({ kind: "kernel", path: join(home, "kernels", name) });
  }
  return stale;
}

async function visible(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  return names.filter((name) => !name.startsWith(".")).sort();
}

async function inputsOf(template: string): Promise<TemplateInputs | undefined> {
  try {
    const record = JSON.parse(await readFile(join(template, "template.json"), "utf8")) as { inputs?: TemplateInputs };
    return record.inputs?.qemu === undefined ? undefined : record.inputs;
  } catch {
    return undefined;
  }
}

async function kernelVersion(boot: string): Promise<string | undefined> {
  try {
    const record = JSON.parse(await readFile(join(boot, "boot.json"), "utf8")) as { kernel_version?: string };
    return record.kernel_version;
  } catch {
    return undefined;
  }
}
