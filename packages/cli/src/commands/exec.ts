import type { CommandRequest, ProcessStreamEvent, RunStreamEvent } from "@mvm/protocol";
import { validateArgv } from "@mvm/protocol";
import { envAssignment, envRecord } from "../args/env-assignment.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { hostFile } from "../args/host-path.js";
import { command, flag, list, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { commandOptions } from "../sandbox/command-options.js";
import { withReceipt } from "../evidence/receipt-copy.js";
import { defined, refuse } from "../sandbox/options.js";
import { finishCommand, followCommand } from "../stream/command-events.js";
import { forwardStdin, stdinKind } from "../stream/stdin.js";
import { attachTerminal } from "../terminal/attach.js";
import { requireTerminal } from "../terminal/raw-terminal.js";

export default command({
  summary: "Run a command in a running sandbox",
  description: ["Like `run`, in a sandbox that exists and goes on afterwards. Interrupting kills the command only."],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {
    ...commandOptions,
    env: list(envAssignment, "Environment variable of the command"),
    stdin: flag("Forward stdin even when it is a terminal"),
    receipt: option(hostFile, "Write the signed receipt of the command to this new file"),
    tty: flag("Run it on this terminal, as `shell` does", { short: "t" }),
  },
  argv: { label: "ARGV…", summary: "The command and its arguments, passed on byte for byte without a shell" },
  examples: [
    ["exec devbox -- pip list", "Runs a command in devbox"],
    ["exec -t devbox -- vi notes.txt", "Edits a file on this terminal"],
    ["exec devbox --user root --cwd /tmp -- sh -c 'id; pwd'", "Runs as root in /tmp"],
  ],
  exits: { 124: "The command was killed at its --timeout", 130: "Interrupted" },
  run: async ({ words: [name], options, argv }, context) => {
    refuse(options.tty && options.receipt !== undefined, "receipt", "write the receipt of a terminal's command");
    if (options.tty) requireTerminal("exec --tty", context);
    const request: CommandRequest = {
      argv: validateArgv(argv),
      ...defined({
        env: envRecord(options.env),
        cwd: options.cwd,
        user: options.user,
        timeout_ms: options.timeout,
        max_output_bytes: options["max-output"],
      }),
    };
    if (options.tty) return attachTerminal(name, request, context);
    const stdin = stdinKind(options.stdin);
    const path = sandboxPath(name, "processes");
    const result = await withReceipt(options.receipt, context, async () => {
      const daemon = await context.daemon();
      const events = daemon.events<ProcessStreamEvent>({
        method: "POST",
        path,
        operation: "commands.run",
        json: { ...request, stdin, stream: !context.json },
      }) as AsyncIterable<RunStreamEvent>;
      return followCommand(events, context, {
        started: ({ pid }) => {
          if (stdin === "pipe") forwardStdin(daemon, `${path}/${pid}/stdin`, context);
        },
      });
    });
    return finishCommand(result, context);
  },
});
