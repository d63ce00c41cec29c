import { chmod, chown, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ImageConfig, runnerLanguage } from "@mvm/images";
import { BuildError, deadline, VmQemuCrashError } from "@mvm/protocol";
import { openAgentSession } from "../../agent/session.js";
import type { AgentSession } from "../../agent/types.js";
import type { Accelerator, StartOptions } from "../backend.js";
import { ConsoleTail } from "./console-tail.js";
import { createOverlay, formatDisk } from "./disks.js";
import { type Guard, helperCookie } from "./helpers.js";
import { launch, type LaunchHost } from "./launch.js";
import type { QemuMachine } from "./machine.js";
import type { TemplateFiles } from "./paths.js";
import { lastWords } from "./process.js";
import { bootTscKhz } from "./tsc.js";
import { warmImage } from "./warm-image.js";

export interface MakeTemplateInput {
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly image: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly agent: string;
  readonly uid: number;
  readonly warmUp: readonly (readonly string[])[];
  /** What the image itself wants to have run. */
  readonly config: ImageConfig;
  readonly guard: Guard;
}

/**
 * Boots a machine once, lets it get ready, and keeps its memory, disk and device state: `files` is complete afterwards.
 * Memory is a file shared with QEMU, so saving it is only a matter of stopping; the device state is a few ten KiB.
 */
export async function makeTemplate(
  host: LaunchHost,
  input: MakeTemplateInput,
  files: TemplateFiles,
  options: StartOptions = {},
): Promise<void> {
  const vm = join(files.directory, "vm");
  await mkdir(vm, { mode: 0o700 });
  const ram = join(vm, "ram");
  const disk = join(vm, "disk.raw");
  options.onProgress?.({ phase: "template", detail: "formatting the disk" });
  await formatDisk(disk, input.diskMb);
  await createOverlay(files.overlay, input.diskMb);
  options.signal?.throwIfAborted();
  options.onProgress?.({ phase: "template", detail: "booting the guest" });
  const machine = await launch(host, {
    cookie: helperCookie(files.directory),
    accel: input.accel,
    cpus: input.cpus,
    memoryMb: input.memoryMb,
    diskMb: input.diskMb,
    directory: vm,
    paths: {
      kernel: input.kernel,
      initramfs: input.initramfs,
      image: input.image,
      ram,
      disk: { kind: "raw", path: disk },
    },
    mode: { kind: "boot", tscKhz: await bootTscKhz(input.accel, input.agent) },
    uid: input.uid,
    start: "cold",
    template: null,
    onSpawned: (identity) => Promise.resolve(input.guard.add(identity)),
  });
  const console = new ConsoleTail(machine.console);
  try {
    // A signal that was aborted while QEMU was being started tells no listener any more.
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", () => void machine.kill(), { once: true });
    const session = openAgentSession(machine.channel, {
      accel: input.accel,
      helloDeadline: "boot",
      resume: { hostname: "template", machineId: "0".repeat(32), clockBackMs: templateAgeMs },
      machineExited: machine.exited,
    });
    await session.ready;
    options.onProgress?.({ phase: "template", detail: "warming up" });
    for (const argv of input.warmUp) {
      if (runnerLanguage(argv) === null) await warm(session, argv, input.accel);
      else await leaveRunning(session, argv, input.accel);
    }
    await warmImage(session, input.config, input.accel);
    await session.call({ op: "sync" }, { deadlineMs: deadline("fileOpIdle", input.accel) });
    options.onProgress?.({ phase: "template", detail: "saving the state" });
    await saveState(machine, input.accel);
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (cause instanceof BuildError) throw cause;
    const said = console.lines(5);
    const message = `Cannot make the template: ${cause instanceof Error ? cause.message : "unknown failure"}`;
    throw new VmQemuCrashError({
      message: `${message}; the console ended with: ${said || "nothing"}; QEMU: ${await lastWords(vm)}`,
      cause,
    });
  } finally {
    await machine.kill();
    input.guard.remove(machine.identity);
  }
  await rename(join(vm, "state"), files.state);
  await rename(ram, files.ram);
  await rename(disk, files.disk);
  await rm(vm, { recursive: true });
  // Machines run under users of their own and get these files bound read-only; the directory above keeps others out.
  for (const path of [files.ram, files.state, files.disk, files.overlay]) {
    if (host.cageTools.root) await chown(path, 0, 0);
    await chmod(path, 0o444);
  }
}

/**
 * A template lives in the past: OpenSSL draws a new seed when its last one is hours old, so programs that wait in the memory
 * of every clone do not give all of them the same randomness.
 */
const templateAgeMs = 24 * 3_600_000;

/** Runs a program for the pages it touches; whether it succeeds is the image's business. */
async function warm(session: AgentSession, argv: readonly string[], accel: Accelerator): Promise<void> {
  await session.call({
    op: "exec",
    argv: [...argv],
    env: {},
    cwd: "/home/user",
    user: "user",
    stdin: "none",
    timeout_ms: deadline("fileOpIdle", accel),
    grace_ms: 1000,
    pty: null,
  });
}

/** Starts a runner of code and waits until it says that it is ready: every clone of the machine finds it in its memory. */
async function leaveRunning(session: AgentSession, argv: readonly string[], accel: Accelerator): Promise<void> {
  const patience = deadline("boot", accel);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${argv[0]} is not ready within ${patience} ms`)), patience);
    const request = { op: "exec", argv: [...argv], env: {}, cwd: "/", user: "root", stdin: "pipe" };
    const stream = session.open(
      { ...request, timeout_ms: null, grace_ms: 0, pty: null },
      {
        onData: () => {
          clearTimeout(timer);
          resolve();
        },
      },
    );
    stream.result.then(
      () => reject(new Error(`${argv[0]} ended at once`)),
      (error: Error) => reject(error),
    );
  });
}

/**
 * Saves the device state while the guest runs: QEMU stops it at the end and records that it ran, so that a restored
 * machine goes on by itself without waiting for a monitor.
 */
async function saveState(machine: QemuMachine, accel: Accelerator): Promise<void> {
  const monitor = await machine.monitor();
  const patience = deadline("qmp", accel);
  await monitor.execute("migrate-set-capabilities", {
    capabilities: [
      { capability: "x-ignore-shared", state: true },
      { capability: "events", state: true },
    ],
  });
  const done = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new VmQemuCrashError({ message: `Cannot save the template: QEMU did not finish within ${patience} ms` }),
        ),
      patience,
    );
    monitor.onEvent(({ event, data }) => {
      const status = event === "MIGRATION" ? data?.["status"] : undefined;
      if (status !== "completed" && status !== "failed" && status !== "cancelled") return;
      clearTimeout(timer);
      if (status === "completed") resolve();
      else reject(new VmQemuCrashError({ message: `Cannot save the template: QEMU reports the state as ${status}` }));
    });
  });
  await Promise.all([done, monitor.execute("migrate", { uri: "file:state" })]);
}
