import { invalid, type LogLine } from "@mvm/protocol";
import { type CallOptions, callOf, type Target } from "./target.js";
import { ndjsonLines } from "../wire/lines.js";

/** Options for `sandbox.logs`. */
export interface LogOptions extends CallOptions {
  /** Go on with what comes. @default false */
  readonly follow?: boolean | undefined;
  /** Only lines after that time: a Date, milliseconds since the epoch, or RFC 3339. */
  readonly since?: Date | number | string | undefined;
  /** Only the guest's lines, or only those of the daemon and QEMU. */
  readonly source?: "guest" | "supervisor" | undefined;
}

function timeOf(since: Date | number | string): string {
  const time = since instanceof Date ? since : new Date(since);
  if (Number.isNaN(time.getTime())) throw invalid("since", since instanceof Date ? null : since, "a time");
  return time.toISOString();
}

/** The sandbox's log, bounded and redacted. Leaving the loop ends a `follow`. */
export async function* logs(target: Target, options: LogOptions = {}): AsyncGenerator<LogLine, void, undefined> {
  const query = {
    follow: options.follow,
    since: options.since === undefined ? undefined : timeOf(options.since),
    source: options.source,
  };
  const call = callOf(target, { method: "GET", path: "/logs", operation: "sandboxes.logs", query }, options);
  yield* ndjsonLines<LogLine>(await target.client.raw(call));
}
