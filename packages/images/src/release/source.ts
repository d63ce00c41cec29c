import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { deadline } from "@mvm/protocol";
import { imageError } from "../errors.js";

/** Where a release is read from. */
export interface ReleaseSource {
  /** As it is named in messages: the folder or the address, without a password. */
  readonly name: string;
  /**
   * The bytes of one file from `from` on. The answer says where they really start: a server may know no ranges.
   * @throws {SourceError} what went wrong and whether a later try may go better
   */
  open(file: string, from: number, signal: AbortSignal): Promise<{ start: number; bytes: AsyncIterable<Uint8Array> }>;
}

/** A file could not be read. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** @param kind `missing`: there is no such file; `transient`: trying again may help; `permanent`: it will not */
  constructor(
    readonly kind: "missing" | "transient" | "permanent",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * A folder, or an `https:` or `http:` address of one. Plain http is as good here: nothing is used before its signature and
 * digest hold.
 * @throws {InvalidArgumentError | AssetNotFoundError}
 */
export async function openSource(place: string): Promise<ReleaseSource> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(place)) return addressSource(place);
  const folder = resolve(place);
  const found = await stat(folder).catch((cause: unknown) => {
    throw imageError("not_found", `Cannot find the release at ${JSON.stringify(place)}`, {
      cause,
      hint: "Give the folder that holds release.json, or its URL",
    });
  });
  if (!found.isDirectory()) {
    throw imageError("invalid", `Cannot read the release at ${JSON.stringify(place)}: it is not a folder`, {
      hint: "Give the folder that holds release.json",
    });
  }
  return folderSource(folder);
}

function folderSource(folder: string): ReleaseSource {
  return {
    name: folder,
    open: async (file, from) => {
      const path = join(folder, file);
      const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
        throw new SourceError(cause.code === "ENOENT" ? "missing" : "permanent", cause.message, { cause });
      });
      if (!found.isFile()) throw new SourceError("permanent", "it is not a file");
      return { start: from, bytes: createReadStream(path, { start: from, highWaterMark: 1 << 20 }) };
    },
  };
}

function addressSource(place: string): ReleaseSource {
  const base = parseAddress(place);
  return {
    name: base.href.replace(base.username === "" ? /^$/ : `${base.username}:${base.password}@`, ""),
    open: async (file, from, signal) => {
      const response = await request(new URL(encodeURIComponent(file), base), from, signal);
      if (response.body === null) throw new SourceError("transient", "the server sent no content");
      return { start: response.status === 206 ? from : 0, bytes: patient(response.body, signal) };
    },
  };
}

function parseAddress(place: string): URL {
  const base = URL.canParse(place) ? new URL(place) : undefined;
  if (base === undefined || !["https:", "http:"].includes(base.protocol)) {
    throw imageError("invalid", `Cannot read a release from ${JSON.stringify(place)}`, {
      hint: "Give a folder, or an https or http URL of one",
    });
  }
  // A base without a slash at its end would lose its last part.
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  base.search = "";
  base.hash = "";
  return base;
}

async function request(url: URL, from: number, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (from > 0) headers["range"] = `bytes=${from}-`;
  if (url.username !== "") {
    const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers["authorization"] = `Basic ${Buffer.from(login).toString("base64")}`;
    url.username = url.password = "";
  }
  const answered = AbortSignal.any([signal, AbortSignal.timeout(deadline("assetAnswer"))]);
  const response = await fetch(url, { headers, signal: answered }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new SourceError("transient", reasonOf(cause), { cause });
  });
  if (response.status === 200) return response;
  // What was asked for must be what is sent: an odd server would otherwise shift every byte behind it.
  if (response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`)) return response;
  await response.body?.cancel();
  if (response.status === 404 || response.status === 410) throw new SourceError("missing", `HTTP ${response.status}`);
  // 416: what is here already is no beginning of the file there.
  const later = response.status >= 500 || [206, 408, 416, 425, 429].includes(response.status);
  throw new SourceError(later ? "transient" : "permanent", `HTTP ${response.status}`);
}

/** Passes chunks on, and gives up when none comes for a while. */
async function* patient(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const chunk = await chunkOf(reader, signal);
      if (chunk.done) return;
      yield chunk.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function chunkOf(reader: ReadableStreamDefaultReader<Uint8Array>, signal: AbortSignal) {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_resolve, reject) => {
    const ms = deadline("assetAnswer");
    timer = setTimeout(() => reject(new SourceError("transient", `nothing came for ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([reader.read(), stalled]);
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof SourceError ? cause : new SourceError("transient", reasonOf(cause), { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch` says no more than "fetch failed"; what failed stands in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
