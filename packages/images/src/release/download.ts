import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processStartTime } from "../build-temp.js";
import { imageError } from "../errors.js";
import { imageLayout } from "../layout.js";
import { SourceError } from "./source-error.js";
import type { ReleaseSource } from "./source.js";

/** Tries of one file in a row that bring next to nothing; what an earlier one brought is kept. */
const tries = 5;
const muchBytes = 2 ** 20;
const firstPauseMs = 250;
/** A server that wants to be left alone for longer has said no. */
const longestPauseMs = 60_000;

export interface DownloadControl {
  readonly signal: AbortSignal;
  /** Bytes of this file that are here now. */
  readonly onBytes?: (done: number) => void;
}

/** Reads one small file whole. @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError} */
export async function readSmall(
  source: ReleaseSource,
  file: string,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer> {
  return retried(source, file, signal, async () => {
    const { bytes } = await source.open(file, 0, signal);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > limit) throw tooLong(source, file, limit);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  });
}

/**
 * Brings one file whose digest is known below the state root, and gives its path. A transfer that breaks goes on where it
 * broke, in this process or in a later one: the part is named after the digest and after who writes it.
 * @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError}
 */
export async function download(
  home: string,
  source: ReleaseSource,
  wanted: { file: string; size: number; sha256: string },
  control: DownloadControl,
): Promise<string> {
  const part = await claimPart(home, wanted.sha256);
  try {
    let most = 0;
    let counted = 0;
    const onBytes = (done: number): void => {
      most = Math.max(most, done);
      control.onBytes?.(done);
    };
    // A long file over a bad line breaks often: as long as it gets on, it gets there.
    const gotOn = (): boolean => {
      if (most - counted < muchBytes) return false;
      counted = most;
      return true;
    };
    const once = (): Promise<void> => append(source, wanted, part.path, { ...control, onBytes });
    await retried(source, wanted.file, control.signal, once, gotOn);
    const actual = await sha256Of(part.path);
    if (actual === wanted.sha256) return part.path;
    // A part with another beginning never becomes right: the next try must not build on it.
    await rm(part.path, { force: true });
    throw imageError(
      "checksum",
      `Cannot use ${wanted.file} of ${source.name}: its sha256 is ${actual}, not ${wanted.sha256}`,
      {
        hint: "The file was changed or damaged after the release was signed; nothing of it was used",
      },
    );
  } catch (error) {
    await part.release();
    throw error;
  }
}

async function append(
  source: ReleaseSource,
  { file, size }: { file: string; size: number },
  path: string,
  { signal, onBytes }: DownloadControl,
): Promise<void> {
  const handle = await open(path, "a");
  try {
    let done = (await handle.stat()).size;
    if (done > size) await handle.truncate((done = 0));
    onBytes?.(done);
    if (done === size) return;
    const { start, bytes } = await source.open(file, done, signal);
    if (start !== done) await handle.truncate((done = start));
    for await (const chunk of bytes) {
      done += chunk.length;
      if (done > size) {
        await handle.truncate(0);
        throw tooLong(source, file, size);
      }
      await handle.write(chunk);
      onBytes?.(done);
    }
    if (done < size) throw new SourceError("transient", `it ended after ${done} of ${size} bytes`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Tries again after what may go better; a try that got on counts as the first. @throws {AssetNotFoundError | AssetDownloadError} and whatever else `once` throws */
export async function retried<T>(
  source: Pick<ReleaseSource, "name" | "hint">,
  file: string,
  signal: AbortSignal,
  once: () => Promise<T>,
  gotOn = (): boolean => false,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const from = `${file} from ${source.name}`;
      if (error.kind === "missing") {
        throw imageError("not_found", `Cannot find ${from}: ${error.message}`, {
          cause: error,
          hint: source.hint ?? "Check the place of the release",
        });
      }
      if (gotOn()) attempt = 1;
      const { afterMs = 0 } = error;
      if (error.kind === "permanent" || attempt === tries || afterMs > longestPauseMs) {
        throw imageError("download", `Cannot get ${from}: ${error.message}`, { cause: error });
      }
      // Half of it at random: clients that a server turned away together do not come back together.
      const pause = firstPauseMs * 2 ** (attempt - 1);
      await sleep(Math.max(afterMs, pause / 2 + (Math.random() * pause) / 2), undefined, { signal });
    }
  }
}

/** A part nobody else writes. One that a dead process left is taken over; renaming settles who gets it. */
async function claimPart(home: string, sha256: string): Promise<{ path: string; release: () => Promise<void> }> {
  const folder = partsFolder(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${sha256}.${process.pid}-${(await processStartTime(process.pid)) ?? "0"}`);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${sha256}.`) || (await isHeld(name))) continue;
    const taken = await rename(join(folder, name), path).then(
      () => true,
      () => false,
    );
    if (taken) break;
  }
  const release = (): Promise<void> => rename(path, join(folder, `${sha256}.free`)).catch(() => undefined);
  return { path, release };
}

/** Parts of transfers that no process is at work on: what a later one would go on with. */
export async function idleParts(home: string): Promise<string[]> {
  const folder = partsFolder(home);
  const names = await readdir(folder).catch(() => [] as string[]);
  const held = await Promise.all(names.map(isHeld));
  return names.filter((_, at) => held[at] === false).map((name) => join(folder, name));
}

async function isHeld(name: string): Promise<boolean> {
  const owner = /\.(\d+)-(\d+)$/.exec(name);
  return owner !== null && (await processStartTime(Number(owner[1]))) === owner[2];
}

function partsFolder(home: string): string {
  return join(imageLayout(home).tmp, "downloads");
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** More came than was signed: no reason to read on. */
export function tooLong(source: ReleaseSource, file: string, limit: number): Error {
  return imageError("checksum", `Cannot use ${file} of ${source.name}: it has more than ${limit} bytes`, {
    hint: "The file is not the one that was signed; nothing of it was used",
  });
}
