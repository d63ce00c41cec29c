import { imageError } from "../errors.js";

const prefixes = [
  { text: "user.", index: 1 },
  { text: "security.", index: 6 },
] as const;
const headerBytes = 12;
/** More than the kernel takes for all attributes of a file would make the inode unreadable. */
const maxBytes = 64 * 1024;

/** Attributes as they stand behind an inode, in the order of their names; empty for none. @throws {BuildError} */
export function encodeXattrs(xattrs: ReadonlyMap<string, Buffer>): Buffer {
  if (xattrs.size === 0) return Buffer.alloc(0);
  const entries = [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => encode(key, value));
  const all = Buffer.concat([Buffer.alloc(headerBytes), ...entries]);
  if (all.length > maxBytes) throw tooLarge();
  return all;
}

function encode(key: string, value: Buffer): Buffer {
  const prefix = prefixes.find(({ text }) => key.startsWith(text));
  if (prefix === undefined || value.length > 0xffff) throw tooLarge();
  const name = Buffer.from(key.slice(prefix.text.length), "latin1");
  const entry = Buffer.alloc(Math.ceil((4 + name.length + value.length) / 4) * 4);
  entry[0] = name.length;
  entry[1] = prefix.index;
  entry.writeUInt16LE(value.length, 2);
  name.copy(entry, 4);
  value.copy(entry, 4 + name.length);
  return entry;
}

function tooLarge(): Error {
  return imageError("build", "Cannot use the image: a file of it has extended attributes that are too large");
}
