import { underscored, type ModuleNeeds } from "./module-info.js";

/** Modules a machine needs for its disks, its host, its root and what is shared with it. Built-in ones are skipped. */
export const wantedModules = [
  "virtio_mmio", // the bus of the microvm machine
  "virtio_console", // the channel to the host
  "virtio_blk",
  "virtio_rng",
  "erofs", // the image
  "overlay", // the writable layer above it
  "ext4", // its disk
  "fuse", // directories of the host
] as const;

/** The modules of one kernel: which are compiled in, which exist as files, what a file needs. */
export interface ModuleSet {
  builtin: ReadonlySet<string>;
  has: (name: string) => boolean;
  needs: (name: string) => Promise<ModuleNeeds>;
}

/**
 * Lists the modules to load so that each comes after what it needs. Throws a plain Error for one that is neither
 * built in nor present; a soft dependency that is absent is passed over.
 */
export async function resolveModuleOrder(wanted: readonly string[], modules: ModuleSet): Promise<string[]> {
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = async (name: string, optional: boolean): Promise<void> => {
    if (seen.has(name) || modules.builtin.has(name)) return;
    if (!modules.has(name)) {
      if (optional) return;
      throw new Error(`kernel module ${name} is neither built in nor in the package`);
    }
    seen.add(name);
    const needs = await modules.needs(name);
    for (const before of needs.softBefore) await visit(before, true);
    for (const before of needs.depends) await visit(before, false);
    order.push(name);
  };
  for (const name of wanted) await visit(name, false);
  return order;
}

/** `kernel/lib/crc32c-intel.ko.xz` → `crc32c_intel`. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return underscored(file.replace(/\.ko(\.(xz|zst|gz))?$/, ""));
}
