import { spawn, type ChildProcess } from "node:child_process";
import { mvmctl } from "./home.js";

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly home: string;
  readonly stdin?: string | Buffer;
  readonly env?: Record<string, string>;
  /** Milliseconds after which the CLI is killed and the test fails. */
  readonly patience?: number;
}

/** Runs `mvmctl` as a user would and waits for its end. */
export async function cli(args: readonly string[], options: CliOptions): Promise<Finished> {
  const child = startCli(args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.stdin ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), options.patience ?? 110_000);
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString("utf8") });
    });
  });
}

/** Starts `mvmctl` and leaves the rest to the test. */
export function startCli(args: readonly string[], { home, env }: CliOptions): ChildProcess {
  return spawn(mvmctl, [...args], { stdio: "pipe", env: { ...process.env, MVM_HOME: home, ...env } });
}

/** The one JSON document on stdout. Throws when there is none or more than one. */
export function document(finished: Finished): Record<string, unknown> {
  return JSON.parse(finished.stdout.toString("utf8")) as Record<string, unknown>;
}
