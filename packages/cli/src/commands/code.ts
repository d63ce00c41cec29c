import type { CodeRequest, CodeResultDocument, CodeStreamEvent } from "@mvm/protocol";
import { limits } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { timeout } from "../args/duration.js";
import { guestPath } from "../args/guest-path.js";
import { language } from "../args/language.js";
import { sandboxRef } from "../args/sandbox-ref.js";
import { outputSize } from "../args/size.js";
import { text } from "../args/text.js";
import { command, option, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { invalidArgument } from "../errors.js";
import type { Context } from "../output/context.js";
import { defined } from "../sandbox/options.js";

export default command({
  summary: "Run the code on stdin in a context that keeps its state",
  description: [
    "What the code writes comes as it is written; the value of its last expression follows on stdout, an exception on stderr. " +
      "Variables stay for the next call of the same context. Interrupting ends the context.",
  ],
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {
    language: option(language, "Language of the code: python or javascript", { defaultText: "python" }),
    context: option(text("CONTEXT"), "Name of the context, made at its first use", { defaultText: "default" }),
    timeout: option(timeout, "End the context after this long and exit with 124, such as 60s"),
    cwd: option({ ...guestPath, label: "DIR" }, "Working directory of a context that this call makes", {
      defaultText: "/home/user",
    }),
    "max-output": option(outputSize, "Output kept of each stream in the --json document", { defaultText: "1M" }),
  },
  examples: [
    ["code devbox < step.py", "Runs a file in the default Python context"],
    ["code devbox --language javascript --context shop < cart.js", "Runs JavaScript in a context of its own"],
  ],
  exits: { 1: "The code raised", 124: "The context was ended at --timeout", 130: "Interrupted" },
  run: async ({ words: [name], options }, context) => {
    const body: CodeRequest = {
      language: options.language ?? "python",
      code: await codeOnStdin(),
      stream: !context.json,
      ...defined({
        context: options.context,
        timeout_ms: options.timeout,
        cwd: options.cwd,
        max_output_bytes: options["max-output"],
      }),
    };
    const daemon = await context.daemon();
    const call = { method: "POST", path: sandboxPath(name, "code"), operation: "code.run", json: body } as const;
    for await (const event of daemon.events<CodeStreamEvent>(call)) {
      if (event.event === "stdout" || event.event === "stderr") {
        if (!context.json) {
          await context.cancellation.race(context.out[event.event].write(Buffer.from(event.data, "base64")));
        }
      } else if (event.event === "end") return finish(event.result, context);
    }
    throw createError("OUTCOME_UNKNOWN", {
      message: "Cannot tell how the code ended: its stream ended without a result",
    });
  },
});

async function codeOnStdin(): Promise<string> {
  if (process.stdin.isTTY) {
    throw invalidArgument("Cannot read code from a terminal: stdin is none of a file or pipe", "Write `< FILE`");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += (chunk as Buffer).length;
    if (bytes > limits.codeBytes)
      throw invalidArgument(`Cannot run the code: it has more than ${limits.codeBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function finish(result: CodeResultDocument, context: Context): Promise<number> {
  const { value, error } = result;
  if (context.json) await context.out.jsonLine(result);
  else {
    if (value !== null) await context.out.stdout.write(`${value}\n`);
    if (error !== null) {
      const lines = error.traceback === "" ? `${error.name}: ${error.value}` : error.traceback.trimEnd();
      await context.out.stderr.write(`${lines}\n`);
    }
  }
  if (result.timed_out) return 124;
  return error === null ? 0 : 1;
}
