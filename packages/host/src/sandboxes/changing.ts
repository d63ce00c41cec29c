import type { Sandbox } from "./sandbox.js";

/**
 * Runs what changes a sandbox's machine as a whole (pause, capture, cold, wake) one after the other: each finds the state its
 * predecessor left, and checks it itself.
 */
export async function changing<T>(sandbox: Sandbox, work: () => Promise<T>): Promise<T> {
  while (sandbox.changing !== null) await sandbox.changing;
  const run = work();
  const settled = run.then(
    () => undefined,
    () => undefined,
  );
  sandbox.changing = settled;
  try {
    return await run;
  } finally {
    if (sandbox.changing === settled) sandbox.changing = null;
  }
}
