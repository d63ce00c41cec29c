export interface DirectoryEntry {
  /** One character a byte. */
  readonly name: string;
  readonly number: number;
  readonly type: number;
}

const recordBytes = 12;

/** Bytes of a directory with these names. */
export function directoryBytes(names: readonly string[], blockBytes: number): number {
  const blocks = inBlocks(sorted([".", "..", ...names].map((name) => ({ name }))), blockBytes);
  return (blocks.length - 1) * blockBytes + used(blocks.at(-1)!);
}

/**
 * A directory as EROFS has it: blocks that begin with records of fixed length, the names behind them, all in the order of
 * their bytes, since the kernel looks them up by halving.
 */
export function encodeDirectory(
  entries: readonly DirectoryEntry[],
  self: { here: number; up: number; type: number },
  blockBytes: number,
): Buffer {
  const dots = [
    { name: ".", number: self.here, type: self.type },
    { name: "..", number: self.up, type: self.type },
  ];
  const blocks = inBlocks(sorted([...dots, ...entries]), blockBytes);
  const out = Buffer.alloc((blocks.length - 1) * blockBytes + used(blocks.at(-1)!));
  blocks.forEach((block, index) => {
    const start = index * blockBytes;
    let nameAt = block.length * recordBytes;
    block.forEach(({ name, number, type }, place) => {
      const record = start + place * recordBytes;
      out.writeBigUInt64LE(BigInt(number), record);
      out.writeUInt16LE(nameAt, record + 8);
      out[record + 10] = type;
      nameAt += out.write(name, start + nameAt, "latin1");
    });
  });
  return out;
}

function sorted<E extends { readonly name: string }>(entries: E[]): E[] {
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function inBlocks<E extends { readonly name: string }>(entries: readonly E[], blockBytes: number): E[][] {
  const blocks: E[][] = [];
  let left = 0;
  for (const entry of entries) {
    const bytes = recordBytes + entry.name.length;
    if (bytes > left) {
      blocks.push([]);
      left = blockBytes;
    }
    blocks.at(-1)!.push(entry);
    left -= bytes;
  }
  return blocks;
}

function used(entries: readonly { readonly name: string }[]): number {
  return entries.reduce((sum, { name }) => sum + recordBytes + name.length, 0);
}
