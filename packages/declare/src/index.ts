/** Compiles declarations of workloads by parsing them. Nothing of a module is imported or run. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createError, deadline } from "@mvm/protocol";
import { brokenExit } from "./exit.js";
import { type Compiled, maxSourceBytes, type SourceLanguage, tooComplex } from "./module.js";

export { type CompileCode, compileCodes, type CompileProblem, type Place } from "./codes.js";
export { canonicalWorkload, compiledDocument, parseWorkload } from "@mvm/protocol/workload";
export { type Compiled, maxSourceBytes, type SourceLanguage } from "./module.js";

/** MiB of the compiler's heap. */
const heapMb = 512;

/**
 * Compiles one module, in a process of its own with bounded time and memory: whatever a source does to a parser ends as
 * a problem. A source of more than {@link maxSourceBytes} is refused unread.
 */
export async function compileModule(source: Uint8Array, language: SourceLanguage): Promise<Compiled> {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heapMb}`, fileURLToPath(new URL("child.js", import.meta.url)), language],
    { env: {}, stdio: ["pipe", "pipe", "ignore"], timeout: deadline("compile"), killSignal: "SIGKILL" },
  );
  const answer: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => answer.push(chunk));
  // A child that is gone before it read everything says so by its exit.
  child.stdin.on("error", () => undefined);
  // One byte too many is enough to be refused.
  child.stdin.end(source.subarray(0, maxSourceBytes + 1));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code === brokenExit) {
    const message = "Cannot compile: a parser of this installation does not load";
    throw createError("DEPENDENCY_MISSING", {
      message,
      hint: "Install the package @mvm/declare again, with its optional dependencies",
    });
  }
  if (code !== 0) return { workload: null, problems: [tooComplex] };
  return JSON.parse(Buffer.concat(answer).toString("utf8")) as Compiled;
}
