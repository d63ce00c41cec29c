import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { closes, parseEntry, type Entry } from "../chain/entry.js";
import { logName, segmentName, segmentNumber } from "../layout.js";
import { LineFile } from "../verify/line-file.js";

const blockBytes = 256 * 1024;
const followPauseMs = 200;

/** Reading, not verifying: a line that is no entry is left out. Use `verifyChain` to know whether the log is whole. */
function entryOrNothing(line: Buffer): Entry | undefined {
  try {
    return parseEntry(line);
  } catch {
    return undefined;
  }
}

/** The last entries of a chain, oldest first. Reads from the end: its cost does not grow with the log. */
export async function lastEntries(directory: string, count: number): Promise<Entry[]> {
  let found: Entry[] = [];
  for (const name of (await logFiles(directory)).reverse()) {
    if (found.length >= count) break;
    found = [...(await lastOfFile(join(directory, name), count - found.length)), ...found];
  }
  return found;
}

/** Entries that come after the given one, as they are written, until the signal aborts. */
export async function* followEntries(directory: string, after: number, signal: AbortSignal): AsyncGenerator<Entry> {
  let seen = after;
  while (!signal.aborted) {
    const pending: Entry[] = [];
    for (const name of await logFiles(directory)) {
      const last = (await lastOfFile(join(directory, name), 1)).at(-1);
      if (last === undefined || last.seq <= seen) continue;
      await eachEntry(join(directory, name), (entry) => {
        if (entry.seq > seen) pending.push(entry);
        return true;
      });
      seen = last.seq;
    }
    yield* pending;
    await sleep(followPauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** An entry by its id, and the one that closed it. Reads the log from its beginning. */
export async function findEntry(
  directory: string,
  id: string,
): Promise<{ readonly entry: Entry; readonly end: Entry | null } | undefined> {
  let entry: Entry | undefined;
  let end: Entry | null = null;
  for (const name of await logFiles(directory)) {
    await eachEntry(
      join(directory, name),
      (each) => {
        if (each.id === id) entry = each;
        else if (closes(each) === id) end = each;
        return end === null;
      },
      id,
    );
  }
  return entry === undefined ? undefined : { entry, end };
}

async function eachEntry(path: string, take: (entry: Entry) => boolean, containing?: string): Promise<void> {
  const file = await LineFile.open(path);
  if (file === undefined) return;
  const needle = containing === undefined ? undefined : Buffer.from(containing);
  try {
    await file.each((line) => {
      if (needle !== undefined && !line.includes(needle)) return true;
      const entry = entryOrNothing(line);
      return entry === undefined || take(entry);
    });
  } finally {
    await file.close();
  }
}

async function lastOfFile(path: string, count: number): Promise<Entry[]> {
  let handle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  try {
    const { size } = await handle.stat();
    let bytes = Buffer.alloc(0);
    for (let at = size; at > 0;) {
      const from = Math.max(0, at - blockBytes);
      const block = Buffer.alloc(at - from);
      await handle.read(block, 0, block.byteLength, from);
      bytes = Buffer.concat([block, bytes]);
      at = from;
      if (linesIn(bytes) > count) break;
    }
    return wholeLines(bytes, bytes.byteLength === size)
      .flatMap((line) => entryOrNothing(line) ?? [])
      .slice(-count);
  } finally {
    await handle.close();
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
  return lines;
}

function wholeLines(bytes: Buffer, fromStart: boolean): Buffer[] {
  const lines: Buffer[] = [];
  let at = fromStart ? 0 : bytes.indexOf(0x0a) + 1;
  for (let end = bytes.indexOf(0x0a, at); end >= 0; end = bytes.indexOf(0x0a, at)) {
    lines.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return lines;
}

async function logFiles(directory: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const numbers = names.flatMap((name) => segmentNumber(name) ?? []).sort((a, b) => a - b);
  return [...numbers.map(segmentName), logName];
}
