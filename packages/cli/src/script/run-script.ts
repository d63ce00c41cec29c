import { spawn } from "node:child_process";
import { constants } from "node:os";
import { extname } from "node:path";
import { createError } from "@mvm/protocol/errors";
import { invalidArgument, unsupported, usageError } from "../errors.js";
import type { Context } from "../output/context.js";

/** Runs an SDK script on the host; what it does in sandboxes is up to the mode. Returns the script's exit code. */
export async function runScript(
  mode: "live" | "plan" | "record",
  argv: readonly string[],
  context: Context,
): Promise<number> {
  const [script, ...rest] = argv;
  if (script === undefined) throw usageError(`Cannot run in mode ${mode}: no script is given`);
  if (mode !== "live") {
    throw unsupported(`mode-${mode}`, `Cannot run a script in mode ${mode}: this version cannot ${mode} scripts yet`);
  }
  const [program, ...words] = interpreter(script);
  if (context.json)
    throw unsupported("mode-live-json", "Cannot use --json with --mode live: the script prints what it likes");
  const child = spawn(program, [...words, script, ...rest], {
    stdio: "inherit",
    env: { ...process.env, MVM_SDK_MODE: "live" },
  });
  context.cancellation.signal.addEventListener("abort", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    child.on("error", (cause) => {
      reject(createError("DEPENDENCY_MISSING", { message: `Cannot run the script: ${program} does not start`, cause }));
    });
  });
}

function interpreter(script: string): [program: string, ...words: string[]] {
  switch (extname(script)) {
    case ".py":
      return ["python3"];
    case ".js":
    case ".mjs":
      return [process.execPath];
    case ".ts":
    case ".mts":
      return typescript();
    default:
      throw invalidArgument(
        `Cannot run "${script.slice(0, 128)}" as an SDK script: its name does not end in .ts or .py`,
      );
  }
}

/** Node removes types by itself from 22.6 on. */
function typescript(): [string, ...string[]] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 6)) {
    return [process.execPath, "--experimental-strip-types", "--no-warnings=ExperimentalWarning"];
  }
  throw createError("DEPENDENCY_MISSING", {
    message: `Cannot run a TypeScript file: Node ${process.versions.node} does not read TypeScript`,
    hint: "Use Node 22.6 or newer, or compile the script to .mjs first",
  });
}
