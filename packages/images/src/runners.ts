import { readFileSync } from "node:fs";

/** A language that code can be run in. */
export type RunnerLanguage = "python" | "javascript";

/** Marks the process of a runner among the guest's: interpreters ignore it. */
const marker = "mvm-runner";

/**
 * The program and arguments that start a language's runner, as root. The program is part of the arguments, so it needs no
 * place in the image and a template's key changes with it.
 */
export function runnerArgv(language: RunnerLanguage): string[] {
  if (language === "python") {
    const parts = ["python/interpreter.py", "python/process.py", "python/supervisor.py"];
    return ["python3", "-I", "-X", marker, "-c", parts.map(source).join("\n")];
  }
  const parts = ["javascript/supervisor.cjs", "javascript/interpreter.cjs"];
  return ["node", `--title=${marker}`, "-e", ...parts.map(source)];
}

function source(name: string): string {
  return readFileSync(new URL(`../runners/${name}`, import.meta.url), "utf8");
}

/** The language whose runner a process is; its arguments may be cut. */
export function runnerLanguage(argv: readonly string[]): RunnerLanguage | null {
  if (argv[0] === "python3" && argv[2] === "-X" && argv[3] === marker) return "python";
  return argv[0] === "node" && argv[1] === `--title=${marker}` ? "javascript" : null;
}
