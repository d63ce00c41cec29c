import { spawn } from "node:child_process";
import { constants } from "node:os";
import { extname } from "node:path";
import { createError } from "@mvm/protocol/errors";
import { invalidArgument } from "../errors.js";
import type { Context } from "../output/context.js";

/** Runs the script until it ends; its stdout goes where `stdout` says. Returns its exit code, 128 + n for signal n. */
export function startScript(
  script: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  stdout: "inherit" | "stderr",
  context: Context,
): Promise<number> {
  const [program, ...words] = interpreter(script);
  const child = spawn(program, [...words, script, ...argv], {
    stdio: ["inherit", stdout === "stderr" ? process.stderr : "inherit", "inherit"],
    env: { ...process.env, ...environment },
  });
  context.cancellation.signal.addEventListener("abort", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    child.on("error", (cause) => {
      reject(createError("DEPENDENCY_MISSING", { message: `Cannot run the script: ${program} does not start`, cause }));
    });
  });
}

/** What runs a script, by its name. @throws {InvalidArgumentError} a name that is neither TypeScript, JavaScript nor Python */
export function interpreter(script: string): [program: string, ...words: string[]] {
  switch (extname(script)) {
    case ".py":
      return ["python3"];
    case ".js":
    case ".mjs":
    case ".ts":
    case ".mts":
      return [process.execPath, "--enable-source-maps", "--import", loader()];
    default:
      throw invalidArgument(
        `Cannot run "${script.slice(0, 128)}" as an SDK script: its name does not end in .ts or .py`,
      );
  }
}

const loader = (): string => new URL("typescript-loader.mjs", import.meta.url).href;
