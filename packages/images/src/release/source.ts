import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { imageError } from "../errors.js";
import { ask, bodyOf, refusal } from "./http.js";
import { SourceError } from "./source-error.js";

/** Where a release is read from. */
export interface ReleaseSource {
  /** As it is named in messages: the folder or the address, without a password. */
  readonly name: string;
  /** What to check where a file is not there. Default: the place of the release. */
  readonly hint?: string;
  /**
   * The bytes of one file from `from` on. The answer says where they really start: a server may know no ranges.
   * @throws {SourceError} what went wrong and whether a later try may go better
   */
  open(file: string, from: number, signal: AbortSignal): Promise<{ start: number; bytes: AsyncIterable<Uint8Array> }>;
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
      return { start: response.status === 206 ? from : 0, bytes: bodyOf(response, signal) };
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
  const response = await ask(url, { headers }, signal);
  if (response.status === 200) return response;
  // What was asked for must be what is sent: an odd server would otherwise shift every byte behind it.
  if (response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`)) return response;
  await response.body?.cancel();
  throw refusal(response);
}
