import { expect, test } from "vitest";
import { readModuleNeeds } from "../src/module-info.js";

/** The smallest 64-bit ELF file with a `.modinfo` section and a table of section names. */
function moduleWith(info: string): Buffer {
  const names = "\0.shstrtab\0.modinfo\0";
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01", "latin1");
  const infoAt = header.length;
  const namesAt = infoAt + info.length;
  const tableAt = namesAt + names.length;
  header.writeBigUInt64LE(BigInt(tableAt), 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(3, 0x3c);
  header.writeUInt16LE(1, 0x3e);
  const section = (name: number, at: number, size: number): Buffer => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(name, 0);
    entry.writeBigUInt64LE(BigInt(at), 0x18);
    entry.writeBigUInt64LE(BigInt(size), 0x20);
    return entry;
  };
  const table = [section(0, 0, 0), section(1, namesAt, names.length), section(11, infoAt, info.length)];
  return Buffer.concat([header, Buffer.from(info + names, "latin1"), ...table]);
}

test("dependencies and soft dependencies are read, with underscores", () => {
  const module = moduleWith("license=GPL\0depends=virtio,virtio-ring\0softdep=pre: crc32c-intel blake2b post: other\0");
  expect(readModuleNeeds(module)).toEqual({
    depends: ["virtio", "virtio_ring"],
    softBefore: ["crc32c_intel", "blake2b"],
  });
});

test("a module without needs has none", () => {
  expect(readModuleNeeds(moduleWith("depends=\0name=virtio\0"))).toEqual({ depends: [], softBefore: [] });
});

test("bytes that are no module are refused", () => {
  expect(() => readModuleNeeds(Buffer.from("\xfd7zXZ"))).toThrow("not a 64-bit module");
  expect(() => readModuleNeeds(moduleWith("x=1\0").subarray(0, 70))).toThrow(RangeError);
});
