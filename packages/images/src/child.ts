import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { execa } from "execa";
import { imageError } from "./errors.js";

/** Environment variables a build tool may see; everything else of the caller's stays out of the build. */
const passedVariables = ["PATH", "HOME", "http_proxy", "https_proxy", "no_proxy", "ftp_proxy"] as const;
const graceMs = 10_000;
const tailLines = 15;

export interface ChildOptions {
  /** File that takes everything the tool prints (appended). */
  log: string;
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** Hard limit in milliseconds, after which the whole process group is ended. */
  timeoutMs: number;
  /** Called with each line of stderr as it comes. */
  onLine?: (line: string) => void;
}

/**
 * Runs a build tool without a shell and returns its stdout. It gets a process group of its own, so that an abort
 * also ends what it started. Throws `VmDependencyError` when the tool is missing, else `BuildError` with
 * the last lines it printed.
 */
export async function runChild(file: string, args: readonly string[], options: ChildOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const log = createWriteStream(options.log, { flags: "a", mode: 0o600 });
  const tail: string[] = [];
  // mmdebstrap repeats a failing script whole, which would push what the script said out of sight.
  const ownText = new Set(args.filter((arg) => arg.includes("\n")).flatMap((arg) => arg.split("\n")));
  log.write(`$ ${[file, ...args.map((arg) => (arg.includes("\n") ? "<script>" : arg))].join(" ")}\n`);
  const child = execa(file, args, {
    env: { ...toolEnvironment(), ...options.env },
    extendEnv: false,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: 32 * 1024 * 1024,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let ended: "timeout" | "abort" | undefined;
  const end = (why: "timeout" | "abort"): void => {
    ended ??= why;
    signalGroup(child.pid, "SIGTERM");
    setTimeout(() => signalGroup(child.pid, "SIGKILL"), graceMs).unref();
  };
  const onAbort = (): void => end("abort");
  const timer = setTimeout(() => end("timeout"), options.timeoutMs);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const line of child.iterable({ from: "stderr" })) {
      log.write(`${line}\n`);
      if (!ownText.has(line)) tail.push(line);
      if (tail.length > tailLines) tail.shift();
      options.onLine?.(line);
    }
  } catch {
    // The iterable rejects when the child fails; the result below says how.
  }
  const result = await child;
  clearTimeout(timer);
  options.signal?.removeEventListener("abort", onAbort);
  log.end();
  await finished(log).catch(() => undefined);
  if (ended === "abort") throw options.signal?.reason ?? new Error("aborted");
  if (!result.failed) return result.stdout;
  if (result.code === "ENOENT") {
    throw imageError("dependency", `Cannot run ${file}: it is not installed`, { hint: "Run `./mvmctl setup`" });
  }
  const how =
    ended === "timeout"
      ? `stopped after ${options.timeoutMs / 1000} s`
      : `exit code ${result.exitCode ?? result.signal}`;
  throw imageError("build", `Cannot finish ${file}: ${how}\n${tail.join("\n")}`, {
    hint: `The full log is ${options.log}`,
  });
}

function toolEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  for (const name of passedVariables) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  // mkfs and apt helpers live in sbin, which a plain user's PATH may lack.
  env["PATH"] = `${env["PATH"] ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
  return env;
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended already.
  }
}
