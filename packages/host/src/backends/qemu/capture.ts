import { constants, type Stats } from "node:fs";
import { chmod, chown, copyFile, link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { deadline, SnapshotError } from "@mvm/protocol";
import { machineMemoryMb } from "./command-line.js";
import { writeDeviceState } from "./mapped-ram.js";
import { capturedFiles, machineFiles } from "./paths.js";
import type { QmpClient } from "./qmp.js";

/** Name of the file QEMU writes, in the only directory it may write to. */
const streamName = "capture";
/** How often a cancelled capture is looked at. Milliseconds. */
const cancelLookMs = 20;

export interface CaptureInput {
  readonly monitor: QmpClient;
  /** QEMU's working directory. */
  readonly directory: string;
  /** Where the files go: empty, on the same file system, out of QEMU's reach. */
  readonly target: string;
  readonly memoryMb: number;
  readonly disk: boolean;
}

/**
 * Stops the vCPUs and writes memory, device state and, if asked, the disk into `target`, all of the same instant. The machine
 * stays stopped and otherwise as it was; after a failure too. @returns offset of the memory in its file
 */
export async function captureMachine(input: CaptureInput): Promise<{ memoryOffset: number }> {
  const { monitor, directory, target } = input;
  const { overlay, base } = machineFiles(dirname(directory));
  const written = join(directory, streamName);
  const files = capturedFiles(target);
  await rm(written, { force: true });
  try {
    await monitor.execute("stop");
    await migrateToFile(monitor);
    await rename(written, files.memory);
  } catch (cause) {
    await rm(written, { force: true });
    const why = cause instanceof Error ? cause.message : "unknown failure";
    throw new SnapshotError({ message: `Cannot save the machine's memory: ${why}`, cause, outcome: "not_started" });
  }
  if (!isPlain(await lstat(files.memory))) throw notPlain();
  if (input.disk) {
    await copyPlainFile(overlay, files.overlay);
    await link(base, files.base);
  }
  const memoryOffset = await writeDeviceState(files.memory, files.state, machineMemoryMb(input.memoryMb));
  for (const path of [files.memory, files.state, ...(input.disk ? [files.overlay] : [])]) {
    // Machines run under users of their own and get these bound read-only; the directory above keeps others out.
    if (process.getuid?.() === 0) await chown(path, 0, 0);
    await chmod(path, 0o444);
  }
  return { memoryOffset };
}

/** Ends a capture that a former daemon did not come to finish. */
export async function abandonCapture(monitor: QmpClient, directory: string): Promise<void> {
  await monitor.execute("migrate_cancel").catch(() => undefined);
  const until = performance.now() + deadline("capture");
  for (;;) {
    const { status } = ((await monitor.execute("query-migrate")) ?? {}) as { status?: string };
    // A capture that went on would stop the machine at its end.
    if (status !== "active" && status !== "cancelling" && status !== "setup" && status !== "device") break;
    if (performance.now() > until) throw new Error("QEMU does not give up saving the machine");
    await sleep(cancelLookMs);
  }
  await rm(join(directory, streamName), { force: true });
}

/** More than any disk writes. Bytes a second. */
const unpaced = 2 ** 40;

/** Memory and devices into one file, its pages at fixed offsets and written by several threads. */
async function migrateToFile(monitor: QmpClient): Promise<void> {
  await monitor.execute("migrate-set-capabilities", {
    capabilities: [
      { capability: "x-ignore-shared", state: false },
      { capability: "mapped-ram", state: true },
      { capability: "multifd", state: true },
      { capability: "events", state: true },
    ],
  });
  // QEMU paces migrations for a network by default, 128 MiB a second; a file takes what the disk takes.
  await monitor.execute("migrate-set-parameters", { "max-bandwidth": unpaced });
  const patience = deadline("capture");
  let stopListening: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const finished = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`QEMU did not finish within ${patience} ms`)), patience);
    stopListening = monitor.onEvent(({ event, data }) => {
      const status = event === "MIGRATION" ? data?.["status"] : undefined;
      if (status === "completed") resolve();
      if (status === "failed" || status === "cancelled") {
        void describeFailure(monitor).then((why) => reject(new Error(why ?? `QEMU reports ${status}`)));
      }
    });
    // A monitor that closes means that the machine is gone: nobody would send the event any more.
    void monitor.closed.then((why) => reject(why));
  });
  try {
    await Promise.all([finished, monitor.execute("migrate", { uri: `file:${streamName}` })]);
  } catch (error) {
    await monitor.execute("migrate_cancel").catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

async function describeFailure(monitor: QmpClient): Promise<string | undefined> {
  const info = (await monitor.execute("query-migrate").catch(() => undefined)) as { "error-desc"?: string } | undefined;
  return info?.["error-desc"];
}

/**
 * A compromised QEMU could put a link to a file of the host in place of its own, at any moment. What is copied is therefore the
 * file that was opened and looked at, whatever has its name by then.
 */
async function copyPlainFile(from: string, to: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(from, flags).catch(() => undefined);
  if (file === undefined) throw notPlain();
  try {
    if (!isPlain(await file.stat())) throw notPlain();
    await copyFile(`/proc/self/fd/${file.fd}`, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  } finally {
    await file.close();
  }
}

function isPlain(at: Stats): boolean {
  return at.isFile() && at.nlink === 1;
}

function notPlain(): SnapshotError {
  return new SnapshotError({
    message: "Cannot save the machine: a file of QEMU's is not a plain file",
    outcome: "not_started",
  });
}
