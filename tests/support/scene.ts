import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CommandOptions,
  type CommandResult,
  isSandboxError,
  Sandbox,
  type SandboxError,
  type SandboxSpec,
} from "@mvm/sdk";
import { afterAll, beforeAll, expect } from "vitest";
import { Api } from "./api.js";
import { daemonPid, machinesOf, makeHome } from "./home.js";

/** A home of its own for the tests of one file, and what they look at from outside. */
export interface Scene {
  readonly home: string;
  readonly api: Api;
  /** A sandbox that is destroyed at the end of the file at the latest. */
  sandbox(spec?: SandboxSpec): Promise<Sandbox>;
  /** Pid of the daemon. */
  daemon(): number;
  /** Pid of the sandbox's QEMU; undefined when it is gone. */
  machine(sandbox: Sandbox): number | undefined;
  /** Where the sandbox's files lie on the host. */
  directory(sandbox: Sandbox): string;
}

/** Registers the hooks of the file that calls it. At the end every machine must be gone and the daemon must still live. */
export function useScene(): Scene {
  let made: ReturnType<typeof makeHome> | undefined;
  const sandboxes: Sandbox[] = [];
  const scene: Scene = {
    get home() {
      return made!.home;
    },
    get api() {
      return new Api(made!.home);
    },
    async sandbox(spec = {}) {
      const sandbox = await Sandbox.create({ ...spec, home: made!.home });
      sandboxes.push(sandbox);
      return sandbox;
    },
    daemon: () => daemonPid(made!.home)!,
    machine: ({ id }) => machinesOf(made!.home).find((pid) => commandLine(pid).includes(id)),
    directory: ({ id }) => join(made!.home, "sandboxes", id),
  };
  beforeAll(() => {
    made = makeHome();
  });
  afterAll(async () => {
    try {
      await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
      await until("no machine and no directory is left", () => machinesOf(scene.home).length + left(scene.home) === 0);
      if (sandboxes.length > 0) expect((await scene.api.json("GET", "/v1/version")).status).toBe(200);
    } finally {
      made?.remove();
    }
  });
  return scene;
}

/** Runs a shell script in a sandbox. It has a minute, so that nothing hangs for ever. */
export function sh(sandbox: Sandbox, script: string, options: CommandOptions = {}): Promise<CommandResult> {
  return sandbox.commands.run(["sh", "-c", script], { timeoutSeconds: 60, ...options });
}

/** What a script prints; fails unless it exits with 0. */
export async function text(sandbox: Sandbox, script: string, options: CommandOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await sh(sandbox, script, options);
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }, script).toEqual({ exitCode: 0, stderr: "" });
  return stdout.trimEnd();
}

export const root = { user: "root" } as const;

/** The error of mvm a call ends with. Fails when it succeeds or ends with anything else. */
export async function failure(call: Promise<unknown> | (() => Promise<unknown>)): Promise<SandboxError> {
  try {
    await (typeof call === "function" ? call() : call);
  } catch (error) {
    if (isSandboxError(error)) return error;
    throw error;
  }
  throw new Error("it succeeded");
}

/** `Class CODE` of an error, the two things a program decides by. */
export async function verdict(call: Promise<unknown> | (() => Promise<unknown>)): Promise<string> {
  const { name, code } = await failure(call);
  return `${name} ${code}`;
}

/** Waits until something holds. Generous: it only has to tell a slow host from a hang. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, patienceMs = 30_000): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`it did not come true within ${patienceMs} ms: ${what}`);
    await sleep(25);
  }
}

/** Anonymous memory of a process: what it has allocated, without the programs and libraries it maps. MiB. */
export function memoryMb(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

/**
 * How much more memory than before a process held at most while something was done. MiB. What was done before is no
 * excuse, so a first, smaller round of the same work belongs in front of it.
 */
export async function growthMb(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = memoryMb(pid);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, memoryMb(pid))), 20);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return most - before;
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function left(home: string): number {
  return readdirSync(join(home, "sandboxes")).length;
}
