import type { BigIntStats } from "node:fs";

/**
 * Layouts of Linux' FUSE protocol, minor version 31 (include/uapi/linux/fuse.h). Everything is little-endian; 64-bit numbers
 * that name nodes, files and offsets stay far below 2^53 on this side, and one that does not is no number of ours.
 */
export const protocol = { major: 7, minor: 31 } as const;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  RENAME2: 45,
} as const;

export const inHeaderBytes = 40;
export const outHeaderBytes = 16;

/** One question of the guest's kernel. */
export interface Question {
  readonly opcode: number;
  readonly unique: bigint;
  readonly node: number;
  readonly body: Body;
}

/** @throws {RangeError} it is shorter than its header */
export function readQuestion(message: Buffer): Question {
  return {
    opcode: message.readUInt32LE(4),
    unique: message.readBigUInt64LE(8),
    node: Number(message.readBigUInt64LE(16)),
    body: new Body(message.subarray(inHeaderBytes)),
  };
}

/** The operands of a question, in their order. Every read throws a RangeError beyond the end. */
export class Body {
  #at = 0;
  constructor(private readonly bytes: Buffer) {}

  u32(): number {
    this.#at += 4;
    return this.bytes.readUInt32LE(this.#at - 4);
  }

  u64(): number {
    this.#at += 8;
    return Number(this.bytes.readBigUInt64LE(this.#at - 8));
  }

  i64(): number {
    this.#at += 8;
    return Number(this.bytes.readBigInt64LE(this.#at - 8));
  }

  skip(bytes: number): this {
    this.#at += bytes;
    return this;
  }

  /** Bytes up to a NUL. A copy: it outlives the message. */
  text(): Buffer {
    const end = this.bytes.indexOf(0, this.#at);
    if (end < 0) throw new RangeError("a name without an end");
    const text = Buffer.from(this.bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  data(length: number): Buffer {
    if (this.bytes.length - this.#at < length) throw new RangeError("data beyond the message");
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
}

/** An answer's bytes. `error` is 0 or a negative errno. */
export function encodeAnswer(unique: bigint, error: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(outHeaderBytes);
  header.writeUInt32LE(outHeaderBytes + payload.length, 0);
  header.writeInt32LE(error, 4);
  header.writeBigUInt64LE(unique, 8);
  return payload.length === 0 ? header : Buffer.concat([header, payload]);
}

/** Fields of fixed width one after the other. */
export function pack(...fields: readonly (readonly [bits: 16 | 32 | 64, value: number | bigint])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [bits]) => sum + bits / 8, 0));
  let at = 0;
  for (const [bits, value] of fields) {
    if (bits === 64) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    else bytes.writeUIntLE(Number(value), at, bits / 8);
    at += bits / 8;
  }
  return bytes;
}

/** Who owns everything in a share, as the guest sees it: the user that its commands run as. */
export const guestOwner = 1000;

const permissions = 0o777;
const nanoseconds = 1_000_000_000n;

/** `struct fuse_attr`: the host's owners, set-id bits and device numbers stay on the host. */
export function packAttributes(node: number, stats: BigIntStats): Buffer {
  const { size, blocks, atimeNs, mtimeNs, ctimeNs, nlink, blksize } = stats;
  const mode = (Number(stats.mode) & 0o170000) | (Number(stats.mode) & permissions);
  const times = [atimeNs, mtimeNs, ctimeNs];
  return pack(
    ...([node, size, blocks, ...times.map((time) => time / nanoseconds)] as const).map((value) => [64, value] as const),
    ...times.map((time) => [32, time % nanoseconds] as const),
    ...[mode, nlink, guestOwner, guestOwner, 0, blksize, 0].map((value) => [32, value] as const),
  );
}

/** `struct fuse_entry_out`. Nothing may be kept: what changes on the host is seen at once. */
export function packEntry(node: number, stats: BigIntStats): Buffer {
  return Buffer.concat([pack([64, node], [64, 0], [64, 0], [64, 0], [64, 0]), packAttributes(node, stats)]);
}

/** `struct fuse_attr_out`. */
export function packAttributeAnswer(node: number, stats: BigIntStats): Buffer {
  return Buffer.concat([pack([64, 0], [64, 0]), packAttributes(node, stats)]);
}

/** `struct fuse_dirent`, padded to 8 bytes. `next` is where a reading goes on behind it. */
export function packDirent(name: Buffer, type: number, next: number): Buffer {
  const head = pack([64, unknownInode], [64, next], [32, name.length], [32, type]);
  const padding = Buffer.alloc((8 - (name.length % 8)) % 8);
  return Buffer.concat([head, name, padding]);
}

/** What FUSE says for "there is one". */
const unknownInode = 0xffffffff;
