import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { deadline } from "@mvm/protocol";
import { createQemuBackend } from "../backends/qemu/index.js";
import { boundedStderr } from "../observe/bounded-stderr.js";
import { cleaned, createLog, type Logger } from "../observe/log.js";
import { ProtectedValues } from "../secrets/protected-values.js";
import { openHome } from "../store/home.js";
import { bootFilesOf } from "./boot-files.js";
import { startDaemon, type Daemon } from "./daemon.js";
import { warmUpOf } from "./warm-up.js";

/** Unforeseen exceptions in a minute before the daemon no longer trusts itself. */
const maxSurprises = 10;

/** Runs the daemon of a home whose lock this process holds, until it is told to end. */
export async function runDaemon(root: string): Promise<void> {
  const home = openHome(root);
  const protectedValues = new ProtectedValues();
  const destination = cleaned(boundedStderr(home.daemonLog), (line) => protectedValues.text(line));
  const log = createLog(destination, process.env["MVM_DEBUG"] === "1" ? "debug" : "info");
  const serving: { daemon?: Daemon } = {};
  let stopping = false;
  const stop = (why: string): void => {
    // A second signal means now: what is left is the reaper's and the next daemon's work.
    if (stopping) process.exit(why === "asked" || why === "idle" ? 0 : 1);
    stopping = true;
    log.info({ why }, "stopping");
    const drained = serving.daemon?.close() ?? Promise.resolve();
    void Promise.race([drained, sleep(deadline("drain"))]).finally(() => process.exit(0));
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));
  // The terminal that started the daemon is not its owner.
  process.on("SIGHUP", () => undefined);
  surviveSurprises(log, () => serving.daemon !== undefined);
  serving.daemon = await startDaemon({
    ...{ home, log, protectedValues },
    version: packageVersion(),
    backends: (_images, guard) => [
      createQemuBackend({ home: home.root, bootFiles: bootFilesOf(home.root), warmUp: warmUpOf, guard }),
    ],
    onStop: stop,
  });
}

/**
 * One handler's bug must not end other callers' sandboxes: it is logged and the daemon serves on. During the start, or when
 * it happens again and again, nothing is known any more: the process ends and recovery makes order.
 */
function surviveSurprises(log: Logger, serving: () => boolean): void {
  let recent: number[] = [];
  const surprise = (error: unknown): void => {
    log.fatal({ err: error instanceof Error ? error.stack : String(error) }, "unforeseen exception");
    const now = performance.now();
    recent = [...recent.filter((at) => now - at < 60_000), now];
    if (!serving() || recent.length > maxSurprises) process.exit(70);
  };
  process.on("uncaughtException", surprise);
  process.on("unhandledRejection", surprise);
}

function packageVersion(): string {
  try {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return "0.0.0";
  }
}
