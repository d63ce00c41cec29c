import type { CommandRequest, ProcessStreamEvent, RunStreamEvent, TerminalSize } from "@mvm/protocol";
import { sandboxPath } from "../daemon/daemon.js";
import type { Context } from "../output/context.js";
import { finishCommand, followCommand } from "../stream/command-events.js";
import { forwardStdin } from "../stream/stdin.js";
import { RawTerminal, terminalSize } from "./raw-terminal.js";

/**
 * Runs a command of a sandbox on our terminal and returns its exit code. The command ends with the connection, so it never
 * outlives this process, and the terminal is as before however it ends.
 */
export async function attachTerminal(name: string, command: CommandRequest, context: Context): Promise<number> {
  const daemon = await context.daemon();
  const path = sandboxPath(name, "processes");
  let pid: number | null = null;
  let wanted: TerminalSize = terminalSize();
  let known = wanted;
  let telling = false;
  const differs = (): boolean => wanted.rows !== known.rows || wanted.cols !== known.cols;
  /** A window that is dragged changes faster than it can be told: only the newest size matters. */
  const tellSize = async (): Promise<void> => {
    if (telling || pid === null) return;
    telling = true;
    try {
      while (differs()) {
        known = wanted;
        await daemon.call({ method: "POST", path: `${path}/${pid}/resize`, operation: "commands.resize", json: known });
      }
    } catch {
      // It has ended, or its stream says what is wrong.
    } finally {
      telling = false;
    }
  };
  const events = daemon.events<ProcessStreamEvent>({
    method: "POST",
    path,
    operation: "commands.run",
    json: { ...command, pty: known, stdin: "pipe", stream: true },
  }) as AsyncIterable<RunStreamEvent>;
  const terminal = new RawTerminal((size) => {
    wanted = size;
    void tellSize();
  });
  try {
    const result = await followCommand(events, context, {
      started: (event) => {
        pid = event.pid;
        forwardStdin(daemon, `${path}/${pid}/stdin`, context);
        void tellSize();
      },
    });
    terminal.restore();
    return await finishCommand(result, context);
  } finally {
    terminal.restore();
  }
}
