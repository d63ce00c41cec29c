import { imageError } from "../errors.js";
import { type ByteSource, part } from "./byte-source.js";

/** One entry of a tar. Names hold one character a byte (latin1), so that any name comes back as it was. */
export interface TarEntry {
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "char" | "block" | "directory" | "fifo";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly link: string;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** Content of a file; empty for all else. */
  readonly content: ByteSource;
}

const types = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
} as const;
const block = 512;
/** Headers before an entry: long names and PAX records. */
const maxExtraBytes = 1 << 20;
const maxGlobals = 64;
const windowBytes = 1 << 18;

/**
 * Reads ustar, PAX and GNU archives entry by entry, without touching a file system. A reader of its own, since the common
 * ones decode values as UTF-8, which destroys binary attributes such as file capabilities.
 * @throws {BuildError} the archive is damaged, sparse or of another kind
 */
export async function* readTar(source: ByteSource, what: string): AsyncGenerator<TarEntry, void, undefined> {
  const window = new Window(source, what);
  let globals: Pax = new Map();
  let pax: Pax = new Map();
  let longPath: string | undefined;
  let longLink: string | undefined;
  let offset = 0;
  let empty = true;
  for (;;) {
    if (offset + block > source.size) {
      // Some writers leave out the end; a cut in the middle of an entry is found by its size.
      if (offset === source.size && !empty) return;
      throw damaged(what, "it ends without an end");
    }
    const header = await window.read(offset, block);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, what);
    const flag = String.fromCharCode(header[156] ?? 0);
    const declared = pax.get("size");
    const special = "xgLK".includes(flag);
    const declaredSize = declared === undefined || special ? number(header, 124, 12, what) : decimal(declared, what);
    // Nothing follows a link or a directory, whatever size its header gives.
    const size = "123456".includes(flag) ? 0 : declaredSize;
    const start = offset + block;
    if (start + size > source.size) throw damaged(what, "an entry is longer than the archive");
    offset = start + Math.ceil(size / block) * block;
    empty = false;
    if (special) {
      if (size > maxExtraBytes) throw damaged(what, "a name or its attributes are too long");
      const body = await source.read(start, size);
      if (flag === "L") longPath = cString(body);
      else if (flag === "K") longLink = cString(body);
      else if (flag === "g") {
        globals = new Map([...globals, ...parsePax(body, what)]);
        if (globals.size > maxGlobals) throw damaged(what, "it has too many global headers");
      } else pax = parsePax(body, what);
      continue;
    }
    const records = new Map([...globals, ...pax]);
    const type = types[flag as keyof typeof types];
    if (type === undefined || [...records.keys()].some((key) => key.startsWith("GNU.sparse."))) {
      throw damaged(what, "it holds a sparse file or an entry of an unknown kind");
    }
    const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? field(header, 345, 155) : "";
    const short = field(header, 0, 100);
    const path = text(records, "path") ?? longPath ?? (prefix === "" ? short : `${prefix}/${short}`);
    yield {
      path,
      // Before ustar a directory was told by the slash behind its name.
      type: type === "file" && flag !== "7" && path.endsWith("/") ? "directory" : type,
      mode: number(header, 100, 8, what) & 0o7777,
      uid: id(records, "uid", header, 108, what),
      gid: id(records, "gid", header, 116, what),
      link: text(records, "linkpath") ?? longLink ?? field(header, 157, 100),
      xattrs: xattrsOf(records),
      content: part(source, start, type === "file" ? size : 0),
    };
    pax = new Map();
    longPath = longLink = undefined;
  }
}

type Pax = ReadonlyMap<string, Buffer>;

function parsePax(body: Buffer, what: string): Pax {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length && body[at] !== 0;) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? 0 : decimal(body.subarray(at, space), what);
    const equals = body.indexOf(0x3d, space);
    const end = at + length;
    if (equals < 0 || equals >= end || end > body.length || body[end - 1] !== 0x0a) {
      throw damaged(what, "its extended headers are damaged");
    }
    records.set(body.toString("latin1", space + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function xattrsOf(records: Pax): ReadonlyMap<string, Buffer> {
  const prefix = "SCHILY.xattr.";
  const own = [...records].filter(([key]) => key.startsWith(prefix));
  return new Map(own.map(([key, value]) => [key.slice(prefix.length), value]));
}

function text(records: Pax, key: string): string | undefined {
  return records.get(key)?.toString("latin1");
}

function id(records: Pax, key: string, header: Buffer, at: number, what: string): number {
  const given = records.get(key);
  const value = given === undefined ? number(header, at, 8, what) : decimal(given, what);
  if (value > 0xffff_fffe) throw damaged(what, "an owner is out of range");
  return value;
}

function decimal(bytes: Buffer, what: string): number {
  const digits = bytes.toString("latin1");
  const value = Number(digits);
  if (!/^\d{1,16}$/.test(digits) || !Number.isSafeInteger(value)) throw damaged(what, "a number of it is none");
  return value;
}

/** Octal digits, or GNU's binary form. */
function number(header: Buffer, at: number, length: number, what: string): number {
  const bytes = header.subarray(at, at + length);
  if ((bytes[0] ?? 0) & 0x80) {
    const value = bytes.reduce((sum, byte, index) => sum * 256 + (index === 0 ? byte & 0x7f : byte), 0);
    if (!Number.isSafeInteger(value)) throw damaged(what, "a number of it is out of range");
    return value;
  }
  const digits = bytes
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (!/^[0-7]*$/.test(digits)) throw damaged(what, "a number of it is none");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function checkSum(header: Buffer, what: string): void {
  let sum = 8 * 0x20;
  for (let at = 0; at < block; at++) if (at < 148 || at >= 156) sum += header[at] ?? 0;
  if (number(header, 148, 8, what) !== sum) throw damaged(what, "it is no tar archive, or a header of it is damaged");
}

function field(header: Buffer, at: number, length: number): string {
  return cString(header.subarray(at, at + length));
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

function damaged(what: string, why: string): Error {
  return imageError("build", `Cannot use ${what}: ${why}`, { hint: "Make the archive again" });
}

/** Reads ahead, so that small entries do not cost a system call each. */
class Window {
  private start = 0;
  private bytes: Buffer = Buffer.alloc(0);

  constructor(
    private readonly source: ByteSource,
    private readonly what: string,
  ) {}

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.start || offset + length > this.start + this.bytes.length) {
      if (offset + length > this.source.size) throw damaged(this.what, "it ends too early");
      this.start = offset;
      this.bytes = await this.source.read(offset, Math.min(windowBytes, this.source.size - offset));
    }
    return this.bytes.subarray(offset - this.start, offset - this.start + length);
  }
}
