import process from "node:process";

/** Every place where a test can end the daemon. The names are the contract of the crash tests, which walk through all of them. */
export const faultPoints = [
  "store.before-rename",
  "create.before-journal",
  "create.after-journal",
  "create.before-spawn",
  "create.after-spawn",
  "create.after-identity",
  "create.after-start",
  "create.after-ready",
  "create.after-running",
  "stop.before-kill",
  "stop.after-kill",
  "destroy.before-kill",
  "destroy.after-kill",
  "destroy.after-files",
  "fail.after-kill",
  "ttl.before-journal",
  "resize.before-journal",
  "pause.before-journal",
  "resume.before-journal",
  "detach.before-journal",
  "detach.after-journal",
  "snapshot.after-capture",
  "snapshot.before-seal",
  "snapshot.before-ledger",
  "snapshot.after-ledger",
  "snapshot.after-name",
  "snapshot.before-forget",
  "fork.after-capture",
  "fork.after-one",
  "cold.after-capture",
  "cold.before-journal",
  "cold.after-journal",
  "cold.after-kill",
  "wake.before-start",
  "wake.before-journal",
  "wake.after-journal",
  "wake.after-forget",
  "recover.before-reap",
  "recover.after-reap",
  "recover.after-adopt",
] as const;

export type FaultPoint = (typeof faultPoints)[number];

const [target, count] = (process.env["MVM_FAULT"] ?? "").split(":");
let left = Number(count ?? "1");

/**
 * Does nothing, unless `MVM_FAULT=name:n` is set: then the process dies by SIGKILL at the n-th time it comes here, which
 * is what a crash looks like. Harmless in production: who can set the daemon's environment can kill it as well.
 */
export function fault(point: FaultPoint): void {
  if (point !== target) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
}
