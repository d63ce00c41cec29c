import type { Readable } from "node:stream";

/** Bytes of a request: whole, or what makes a stream of them, which is read no faster than the daemon takes it. */
export type RequestBody = Uint8Array | (() => Readable);

/** One call of the HTTP API. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path below `/v1`, its segments already encoded: see {@link segment}. */
  readonly path: string;
  /** Name for errors, e.g. `files.write`. */
  readonly operation: string;
  /** Absent values are left out, lists are repeated. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, instead of JSON. */
  readonly body?: RequestBody;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether a lost answer leaves nothing in doubt. Default: true for GET. */
  readonly idempotent?: boolean;
  /** Aborting ends the connection, and with it what hangs on it; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the answer must have come. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /**
   * For answers that may take any time, asked again at every silence of `timeoutMs`: while it holds, the daemon is asked
   * whether it lives, and the call fails only if it does not.
   */
  readonly patient?: () => boolean;
  /** Do not start a daemon for it: what it asks for has ended with the daemon. */
  readonly running?: boolean;
  /** For errors. */
  readonly sandboxId?: string | undefined;
}

/** A path segment, encoded. */
export function segment(text: string | number): string {
  return encodeURIComponent(text);
}

/** Path and query as they stand in the request line. */
export function target(call: Call): string {
  const query = Object.entries(call.query ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}=${encodeURIComponent(one)}`),
  );
  return `/v1${call.path}${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** Whether repeating the call is harmless. */
export function isIdempotent(call: Call): boolean {
  return call.idempotent ?? call.method === "GET";
}
