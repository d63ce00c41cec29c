import { createPublicKey, randomBytes, type KeyObject } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { isSandboxError } from "@mvm/protocol";
import { sha256 } from "../canonical/digest.js";
import { cannotRecord, systemReason } from "../errors.js";
import { headName, logName, segmentName, segmentNumber, tornPrefix } from "../layout.js";
import type { SigningKey } from "../keys/key-files.js";
import { createFile, type Disk } from "./disk.js";
import { genesis, parseEntry } from "./entry.js";
import { headIsSignedBy, headText, maxHeadBytes, parseHead, signHead, type Head } from "./head.js";
import { eachLine } from "./lines.js";
import { BrokenLine, ChainWalk } from "./walk.js";

export interface ChainFiles {
  readonly directory: string;
  readonly tenant: string;
  readonly key: SigningKey;
  /** Public keys whose heads are still accepted here: the key was rotated while no writer ran. */
  readonly oldKeys: readonly KeyObject[];
  readonly disk: Disk;
}

/** Where a writer goes on, and what it has to say about how it found the log. */
export interface Recovered {
  readonly fd: number;
  /** Bytes of the log: everything up to here is whole. */
  readonly size: number;
  readonly walk: ChainWalk;
  /** Full segments before this log. */
  readonly segments: number;
  readonly signedBy: string;
  /** Whole entries after the signed head: written by a writer that died before it could sign. */
  readonly unsigned: number;
  /** Bytes at the end that are no entries; set aside in a file of their own. */
  readonly tornBytes: number;
}

/**
 * Opens a log for appending, whatever moment its last writer died at. Entries under the signed head were acknowledged
 * and must all be there; what lies behind it is kept as far as it is whole. Repeating it changes nothing more.
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: the history was tampered with, or the files cannot be used
 */
export async function recoverLog(files: ChainFiles): Promise<Recovered> {
  const { directory, disk } = files;
  openDirectory(directory);
  const names = readdirSync(directory);
  for (const name of names) if (name.endsWith(".mvm-tmp")) rmSync(join(directory, name), { force: true });
  const segments = countSegments(directory, names);
  const head = await readOrStartHead(files, names.includes(logName) || segments > 0);
  const fd = openLog(directory);
  try {
    const bytes = readFileSync(fd);
    const walk = startOf(files, segments, head);
    const size = follow(bytes, walk, head, directory);
    if (walk.seq < head.size) {
      throw damaged(directory, `${walk.seq} entries are there of the ${head.size} that were signed`);
    }
    const tornBytes = bytes.byteLength - size;
    if (tornBytes > 0) {
      const name = `${tornPrefix}${walk.seq + 1}-${randomBytes(4).toString("hex")}.bin`;
      createFile(join(directory, name), bytes.subarray(size), 0o600);
      disk.truncate(fd, size);
    }
    // What a dead writer left in the cache may not be on the disk: it is before anything builds on it.
    await disk.datasync(fd);
    disk.syncDirectory(directory);
    return { fd, size, walk, segments, signedBy: head.key_id, unsigned: walk.seq - head.size, tornBytes };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Walks the whole log; stops behind the signed head at the first thing that is no entry. */
function follow(bytes: Buffer, walk: ChainWalk, head: Head, directory: string): number {
  const checkHead = (): void => {
    if (walk.seq === head.size && walk.head !== head.head) throw damaged(directory, `entry ${walk.seq} was changed`);
  };
  checkHead();
  return eachLine(bytes, (line) => {
    try {
      walk.take(line);
    } catch (error) {
      if (!(error instanceof BrokenLine)) throw error;
      if (walk.seq >= head.size) return false;
      throw damaged(directory, `entry ${walk.seq + 1} was changed (${error.reason})`);
    }
    checkHead();
    return true;
  });
}

/**
 * The walk up to the log. When the log's first entry is signed it lists what is open, and of the segment before it the
 * last line is enough; a writer that died while it began the log leaves that list to the segment itself.
 */
function startOf({ directory, tenant }: ChainFiles, segments: number, head: Head): ChainWalk {
  if (segments === 0) return new ChainWalk(tenant);
  const bytes = readFileSync(join(directory, segmentName(segments)));
  try {
    const last = bytes.subarray(bytes.lastIndexOf(0x0a, bytes.byteLength - 2) + 1, bytes.byteLength - 1);
    const { seq } = parseEntry(last);
    if (seq < head.size) return ChainWalk.after(tenant, seq, sha256(last));
    const first = parseEntry(bytes.subarray(0, bytes.indexOf(0x0a)));
    const walk = ChainWalk.after(tenant, first.seq - 1, first.prev);
    eachLine(bytes, (line) => walk.take(line) !== undefined);
    return walk;
  } catch (error) {
    throw damaged(directory, `segment ${segments} is not whole: ${(error as Error).message}`);
  }
}

function openDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const at = lstatSync(directory);
    if (!at.isDirectory()) throw cannotRecord(`"${directory}" is not a directory`);
    if (at.uid !== process.geteuid?.()) throw cannotRecord(`"${directory}" belongs to user ${at.uid}`);
  } catch (error) {
    throw isSandboxError(error) ? error : cannotRecord(`"${directory}": ${systemReason(error)}`, error);
  }
}

/** Appending to a link, a pipe or another user's file would put the history where somebody else decides. */
function openLog(directory: string): number {
  const path = join(directory, logName);
  const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (error) {
    throw cannotRecord(`the log "${path}": ${systemReason(error)}`, error);
  }
  const at = fstatSync(fd);
  const problem = !at.isFile()
    ? "it is not a regular file"
    : at.uid !== process.geteuid?.()
      ? `it belongs to user ${at.uid}`
      : at.nlink !== 1
        ? "it has a second name"
        : undefined;
  if (problem === undefined) return fd;
  closeSync(fd);
  throw cannotRecord(`the log "${path}": ${problem}`);
}

function countSegments(directory: string, names: readonly string[]): number {
  const numbers = names.flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b);
  numbers.forEach((number, at) => {
    if (number !== at + 1) throw damaged(directory, `segment ${at + 1} is missing`);
  });
  return numbers.length;
}

async function readOrStartHead(files: ChainFiles, begun: boolean): Promise<Head> {
  const { directory, tenant, key, oldKeys, disk } = files;
  const path = join(directory, headName);
  let text: string;
  try {
    if (lstatSync(path).size > maxHeadBytes) throw damaged(directory, "its head is too large");
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (isSandboxError(error)) throw error;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw cannotRecord(systemReason(error), error);
    // The head is there before the first entry: a log without one lost it.
    if (begun) throw damaged(directory, "its signed head is gone");
    const time = new Date().toISOString();
    const head = signHead({ tenant, size: 0, head: genesis, time, key_id: key.id }, key.key);
    await disk.prepare(path, Buffer.from(headText(head)));
    disk.publish(path);
    disk.syncDirectory(directory);
    return head;
  }
  try {
    const head = parseHead(text);
    const keys = [createPublicKey(key.key), ...oldKeys];
    if (head.tenant === tenant && keys.some((each) => headIsSignedBy(head, each))) return head;
  } catch {
    // Said below: a head that cannot be read is as good as none.
  }
  throw damaged(directory, "its head is not signed by a key of this host");
}

function damaged(directory: string, why: string): Error {
  return cannotRecord(`the history in "${directory}" was changed by somebody else: ${why}`);
}
