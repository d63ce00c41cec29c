import { expect, test } from "vitest";
import { moduleName, resolveModuleOrder, type ModuleSet } from "../src/kernel-modules.js";

const needs: Record<string, { depends: string[]; softBefore: string[] }> = {
  virtio: { depends: [], softBefore: [] },
  virtio_ring: { depends: ["virtio"], softBefore: [] },
  virtio_mmio: { depends: ["virtio", "virtio_ring"], softBefore: [] },
  crc32c_generic: { depends: [], softBefore: [] },
  libcrc32c: { depends: [], softBefore: ["crc32c_generic", "absent"] },
  erofs: { depends: ["libcrc32c", "built_in"], softBefore: [] },
};
const modules: ModuleSet = {
  builtin: new Set(["built_in", "ext4"]),
  has: (name) => name in needs,
  needs: (name) => Promise.resolve(needs[name] ?? { depends: [], softBefore: [] }),
};

test("each module comes after what it needs, once, and built-in ones are skipped", async () => {
  expect(await resolveModuleOrder(["virtio_mmio", "erofs", "ext4", "virtio_ring"], modules)).toEqual([
    "virtio",
    "virtio_ring",
    "virtio_mmio",
    "crc32c_generic",
    "libcrc32c",
    "erofs",
  ]);
});

test("a module that is nowhere is an error and not a machine without its disk", async () => {
  await expect(resolveModuleOrder(["virtio_blk"], modules)).rejects.toThrow("virtio_blk is neither built in");
});

test("module names are those of the kernel, not of the file", () => {
  expect(moduleName("kernel/arch/x86/crypto/crc32c-intel.ko.xz")).toBe("crc32c_intel");
  expect(moduleName("kernel/fs/erofs/erofs.ko")).toBe("erofs");
});
