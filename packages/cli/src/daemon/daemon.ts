import type { Call } from "@mvm/sdk/client";

/** One call of the HTTP API; the command's abort signal is added to it. */
export type DaemonCall = Omit<Call, "signal">;

/** A body that is read as it comes. */
export interface Download {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** The daemon's HTTP API as the verbs use it. Every failure is an error of the table. */
export interface Daemon {
  /** A call with a JSON answer. */
  call<T>(call: DaemonCall): Promise<T>;
  /** A call answered by one event a line; throws the error of an `error` event. Reading slowly slows the sender. */
  events<E extends { readonly event: string }>(call: DaemonCall): AsyncIterable<E>;
  /** A call answered by one object a line that is no event. */
  lines<T>(call: DaemonCall): AsyncIterable<T>;
  /** Raw bytes from the daemon. */
  download(call: DaemonCall): Promise<Download>;
}

/** The path of a sandbox's resource. */
export function sandboxPath(ref: string, ...rest: string[]): string {
  return ["/sandboxes", encodeURIComponent(ref), ...rest].join("/");
}
