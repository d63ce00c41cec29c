import { type ChildProcess, execFileSync, spawn, type StdioOptions } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
let bundled = false;

/** The bundled program, made from the current sources once per test file. */
export function program(): string {
  if (!bundled) execFileSync(process.execPath, [`${root}scripts/bundle.mjs`], { stdio: "inherit" });
  bundled = true;
  return `${root}packages/cli/dist/mvmctl.js`;
}

/** How to run the program. */
export interface RunOptions {
  readonly home?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Bytes for stdin; without them stdin is /dev/null. */
  readonly stdin?: string | Buffer;
  /** Milliseconds after which the test has failed. */
  readonly timeoutMs?: number;
}

/** What came of it. */
export interface Ran {
  /** The exit code, or the signal's name. */
  readonly code: number | string;
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly ms: number;
}

/** Starts the program; the caller watches it. */
export function start(argv: readonly string[], options: RunOptions = {}, stdio: StdioOptions = "pipe"): ChildProcess {
  const env = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    MVM_HOME: options.home ?? "/nonexistent",
    ...options.env,
  };
  return spawn(process.execPath, [program(), ...argv], { stdio, env, cwd: options.cwd });
}

/** Runs the program to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  program();
  const began = performance.now();
  const child = start(argv, options, [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"]);
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 15_000);
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.stdin);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number | string>((resolve) => {
    child.once("close", (exit, signal) => resolve(exit ?? signal ?? "nothing"));
  });
  clearTimeout(timer);
  return {
    code,
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr).toString(),
    ms: performance.now() - began,
  };
}

/** The one JSON document on stdout; throws when there is none, or more than it. */
export function documentOf(
  ran: Ran,
): Record<string, unknown> & { error?: { name: string; code: string; message: string } } {
  const text = ran.stdout.toString();
  if (!text.endsWith("\n") || text.trimEnd().includes("\n"))
    throw new Error(`not one line of JSON: ${JSON.stringify(text)}`);
  return JSON.parse(text) as never;
}
