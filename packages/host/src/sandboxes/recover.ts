import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isId } from "@mvm/protocol";
import { fault } from "../observe/fault.js";
import { temporarySuffix } from "../store/atomic.js";
import { findByMount } from "../processes/find-by-cookie.js";
import { killIfSame } from "../processes/identity.js";
import { sandboxLayout } from "../store/layout.js";
import { quarantine } from "../store/quarantine.js";
import { readStateFile, type StateFile } from "../store/state-file.js";
import { remainingMs } from "./expiry.js";
import { reapLeftovers } from "./reap.js";
import { bringBack } from "./bring-back.js";
import { putAway } from "./remove-files.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/** Machines adopted at once: each needs an answer of its guest. */
const adoptionsAtOnce = 8;

export interface RecoveryReport {
  /** Sandboxes that are there again, running or stopped. */
  readonly recovered: Sandbox[];
  readonly removed: string[];
  readonly quarantined: string[];
}

/**
 * Makes the sandboxes' directory true again. The only way a daemon starts, after a crash and after a clean end alike:
 * detached sandboxes come back, everything else of former daemons is ended and removed, what cannot be understood is set
 * aside.
 */
export async function recoverSandboxes(services: Services): Promise<RecoveryReport> {
  const report: RecoveryReport = { recovered: [], removed: [], quarantined: [] };
  for (const backend of services.backends) await backend.recover?.();
  const names = readdirSync(services.home.sandboxes).sort();
  const next = names.values();
  const worker = async (): Promise<void> => {
    for (const name of next) await recoverOne(services, name, report);
  };
  const workers: Promise<void>[] = [];
  for (let n = 0; n < adoptionsAtOnce; n++) workers.push(worker());
  await Promise.all(workers);
  reapUnknown(services, new Set(names));
  for (const backend of services.backends) await backend.tidy?.();
  services.log.info(
    { recovered: report.recovered.length, removed: report.removed.length, quarantined: report.quarantined.length },
    "recovery finished",
  );
  return report;
}

/** Machines whose sandbox directory was deleted while no daemon ran: nobody could reach or end them any more. */
function reapUnknown({ home, log }: Services, known: ReadonlySet<string>): void {
  for (const [id, processes] of findByMount(home.sandboxes)) {
    if (known.has(id)) continue;
    for (const process of processes) killIfSame(process);
    log.warn({ sandbox: id }, "ended a machine whose files are gone");
  }
}

async function recoverOne(services: Services, name: string, report: RecoveryReport): Promise<void> {
  const { directory, state: stateFile } = sandboxLayout(services.home.sandboxes, name);
  if (!isId(name, "sbx")) return setAside(services, directory, name, "its name is not a sandbox id", report);
  const read = readStateFile(stateFile, name);
  if (!read.ok) {
    await reapLeftovers(name, undefined, undefined);
    // Nothing was written yet: the daemon died between making the directory and its first journal entry.
    if (isUnused(directory)) return remove(directory, name, report);
    return setAside(services, directory, name, read.problem, report);
  }
  const { state } = read;
  const backend = services.backends.find((candidate) => candidate.name === state.backend);
  if (backend === undefined)
    return setAside(services, directory, name, `backend "${state.backend}" is unknown`, report);
  if (!survives(state)) {
    fault("recover.before-reap");
    const ended = await reapLeftovers(name, state, backend);
    fault("recover.after-reap");
    services.log.info({ sandbox: name, state: state.state, ended }, "removed what a former daemon left");
    return remove(directory, name, report);
  }
  try {
    report.recovered.push(await bringBack(services, state, backend));
  } catch (error) {
    services.log.error({ sandbox: name, err: (error as Error).message }, "cannot bring a sandbox back");
    await reapLeftovers(name, state, backend);
    setAside(services, directory, name, `it cannot be brought back: ${(error as Error).message}`, report);
  }
}

/** Only a detached sandbox that was complete, is not deleted and has time left outlives its daemon. */
function survives(state: StateFile): boolean {
  if (!state.detached || state.state === "creating" || state.state === "destroyed") return false;
  return state.expiry === null || remainingMs(state.expiry) > 0;
}

function isUnused(directory: string): boolean {
  try {
    return readdirSync(directory).every((name) => name.endsWith(temporarySuffix));
  } catch {
    return false;
  }
}

function remove(directory: string, name: string, report: RecoveryReport): void {
  rmSync(putAway(directory), { recursive: true, force: true });
  report.removed.push(name);
}

function setAside(services: Services, directory: string, name: string, problem: string, report: RecoveryReport): void {
  // An unfinished file of a former daemon is no sandbox.
  if (name.endsWith(temporarySuffix)) return rmSync(join(directory), { recursive: true, force: true });
  const { path } = quarantine(directory, services.home.quarantine, name, problem);
  services.log.warn({ sandbox: name, problem, path }, "sandbox quarantined");
  report.quarantined.push(name);
}
