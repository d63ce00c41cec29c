import { fromDocument, isSandboxError } from "@mvm/protocol/errors";
import { DaemonClient, ndjson, resolveHome, type StreamEvent } from "@mvm/sdk/client";
import type { Output } from "../output/output.js";
import { printable } from "../render/escape.js";
import type { Daemon, DaemonCall } from "./daemon.js";
import { isUntouched, refuseInUntouched } from "./untouched.js";

/** What a connection needs to know about the command that uses it. */
export interface ConnectOptions {
  readonly debug: boolean;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/** The daemon, started at the first call if it does not run. */
export function connect(options: ConnectOptions): Daemon {
  return daemonOf(new DaemonClient(), options);
}

/** The daemon, or null where none runs and the state root holds nothing. */
export async function connectToContents(options: ConnectOptions): Promise<Daemon | null> {
  return isUntouched(resolveHome()) ? await connectIfRunning(options) : connect(options);
}

/** The daemon if it runs; null otherwise. */
export async function connectIfRunning(options: ConnectOptions): Promise<Daemon | null> {
  const daemon = daemonOf(new DaemonClient({ autoStart: false }), options);
  try {
    await daemon.call({ method: "GET", path: "/version", operation: "daemon.version" });
    return daemon;
  } catch (error) {
    if (isSandboxError(error) && error.code === "DAEMON_UNAVAILABLE") return null;
    throw error;
  }
}

function daemonOf(client: DaemonClient, { debug, out, signal }: ConnectOptions): Daemon {
  const prepared = (call: DaemonCall) => {
    refuseInUntouched(client.paths.home, call.path, call.operation);
    if (debug) void out.aside(`mvmctl: debug: ${call.method} ${printable(call.path)}\n`);
    return { ...call, signal };
  };
  return {
    call: (call) => client.json(prepared(call)),
    events: async function* <E extends StreamEvent>(call: DaemonCall) {
      yield* await client.stream<E>(prepared(call));
    },
    lines: async function* <T>(call: DaemonCall) {
      const { chunks } = await client.raw(prepared(call));
      for await (const line of ndjson(chunks)) {
        if ((line as { event?: unknown }).event === "error") throw fromDocument(line);
        yield line as T;
      }
    },
    download: async (call) => {
      const { headers, chunks } = await client.raw(prepared(call));
      return { headers, body: chunks };
    },
  };
}
