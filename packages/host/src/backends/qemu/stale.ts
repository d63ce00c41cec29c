import { basename, dirname, join } from "node:path";
import type { BootFiles } from "./boot-files.js";
import { bootRecord, keptTemplates, visible } from "./kept.js";
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
  for (const { path, inputs } of await keptTemplates(home)) {
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
  const version = (await bootRecord(current))?.kernel_version;
  for (const name of await visible(join(home, "kernels"))) {
    if (version !== undefined && name !== version) stale.push({ kind: "kernel", path: join(home, "kernels", name) });
  }
  return stale;
}
