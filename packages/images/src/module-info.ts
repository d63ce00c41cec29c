/** What a kernel module says about itself: names it must be loaded after. */
export interface ModuleNeeds {
  depends: string[];
  /** Soft dependencies to load first where present, such as the checksum driver behind ext4. */
  softBefore: string[];
}

const elfMagic = "\x7fELF";

/**
 * Reads the `.modinfo` section of a decompressed 64-bit little-endian module. Debian's packages ship no
 * `modules.dep` (their install script makes it), and this spares a tool that only exists to make it.
 * Throws a RangeError or Error when the bytes are not such a module.
 */
export function readModuleNeeds(module: Uint8Array): ModuleNeeds {
  const fields = modinfoSection(Buffer.from(module.buffer, module.byteOffset, module.byteLength)).split("\0");
  const values = (key: string): string[] =>
    fields.filter((field) => field.startsWith(`${key}=`)).map((field) => field.slice(key.length + 1));
  const softBefore = values("softdep")
    .map((value) => /^pre:\s*(.*?)(\s+post:.*)?$/.exec(value)?.[1] ?? "")
    .flatMap((names) => names.split(/\s+/));
  return {
    depends: values("depends")
      .flatMap((names) => names.split(","))
      .filter(Boolean)
      .map(underscored),
    softBefore: softBefore.filter(Boolean).map(underscored),
  };
}

function modinfoSection(elf: Buffer): string {
  if (elf.toString("latin1", 0, 4) !== elfMagic || elf[4] !== 2 || elf[5] !== 1) throw new Error("not a 64-bit module");
  const tableOffset = Number(elf.readBigUInt64LE(0x28));
  const entrySize = elf.readUInt16LE(0x3a);
  const count = elf.readUInt16LE(0x3c);
  const section = (index: number): { name: number; start: number; end: number } => {
    const at = tableOffset + index * entrySize;
    const start = Number(elf.readBigUInt64LE(at + 0x18));
    return { name: elf.readUInt32LE(at), start, end: start + Number(elf.readBigUInt64LE(at + 0x20)) };
  };
  const names = section(elf.readUInt16LE(0x3e));
  for (let index = 0; index < count; index++) {
    const { name, start, end } = section(index);
    const from = names.start + name;
    if (elf.toString("latin1", from, elf.indexOf(0, from)) === ".modinfo") return elf.toString("utf8", start, end);
  }
  throw new Error("module has no .modinfo section");
}

/** Module names use underscores whatever the file or the dependency list says. */
export function underscored(name: string): string {
  return name.replaceAll("-", "_");
}
