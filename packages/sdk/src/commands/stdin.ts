import { Readable } from "node:stream";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";

/** Sends bytes to a command's stdin; with `eof` it is closed behind them. Resolves when the command's pipe took them. */
export async function sendStdin(
  target: Target,
  pid: number,
  body: Uint8Array | (() => Readable),
  options: CallOptions & { readonly eof?: boolean } = {},
): Promise<number> {
  const call = callOf(
    target,
    {
      method: "POST",
      path: `/processes/${pid}/stdin`,
      operation: "commands.stdin",
      query: { eof: options.eof },
      body,
      patient: () => true,
    },
    options,
  );
  return (await target.client.json<{ written_bytes: number }>(call)).written_bytes;
}

/** A stream of what the caller gave, read no faster than it is taken. */
export function readableOf(source: Readable | AsyncIterable<string | Uint8Array>): Readable {
  return source instanceof Readable ? source : Readable.from(source, { highWaterMark: 1 });
}
