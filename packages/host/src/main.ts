import process from "node:process";
import { fileURLToPath } from "node:url";
import { closeInheritedFds } from "./daemon/inherited-fds.js";
import { heldLock, runUnderLock } from "./daemon/lock.js";
import { openHome, stateRoot } from "./store/home.js";
import { homeLayout } from "./store/layout.js";
import { errorRow, isSandboxError } from "@mvm/protocol/errors";

/** Set for the process that runs under the lock, so that a lock that cannot be seen does not start it over and over. */
const relaunched = "MVMD_RELAUNCHED";

/** The daemon: `flock --no-fork -n -E 75 $MVM_HOME node main.js`, or plainly `node main.js`. */
async function main(): Promise<void> {
  const root = stateRoot(process.env);
  const { lock } = homeLayout(root);
  const lockFd = heldLock(lock);
  // Before anything else is loaded: what opens files afterwards must not be taken for inherited.
  await closeInheritedFds(new Set(lockFd === undefined ? [] : [lockFd]));
  if (lockFd === undefined) {
    if (process.env[relaunched] === "1") throw new Error("the lock is not visible under /proc/self/fd");
    openHome(root);
    process.env[relaunched] = "1";
    return runUnderLock(lock, [process.execPath, fileURLToPath(import.meta.url)]);
  }
  process.chdir("/");
  const { runDaemon } = await import("./daemon/run.js");
  await runDaemon(root);
}

main().catch((error: unknown) => {
  if (isSandboxError(error)) {
    process.stderr.write(`mvmd: ${error.name} [${error.code}]: ${error.message}\n  hint: ${error.hint}\n`);
    process.exit(errorRow(error.code).exit);
  }
  process.stderr.write(`mvmd: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(70);
});
