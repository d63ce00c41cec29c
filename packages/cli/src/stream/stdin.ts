import { fstatSync } from "node:fs";
import type { Daemon } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";

/** A refused upload right before the command's end is the end of the command, not news. */
const endIsNearMs = 500;

/**
 * Whether the command gets our stdin: pipes, files and sockets are forwarded; a terminal only when asked for, because
 * the shell's user types for the next command; `/dev/null` is what a guest without stdin reads anyway.
 */
export function stdinKind(forced = false): "none" | "pipe" {
  if (forced) return "pipe";
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket() ? "pipe" : "none";
  } catch {
    return "none";
  }
}

/** Sends our stdin and its end to a running command, beside its output stream. */
export function forwardStdin(daemon: Daemon, path: string, context: Context): void {
  daemon
    .call({
      method: "POST",
      path,
      operation: "stdin",
      query: { eof: true },
      body: () => process.stdin,
      patient: () => true,
    })
    .catch((thrown: unknown) => {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      setTimeout(() => void context.out.note(`stdin was not delivered: ${message}`), endIsNearMs).unref();
    });
}
