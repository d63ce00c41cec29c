import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Accelerator } from "../backend.js";

const run = promisify(execFile);

/**
 * Frequency of the host's time stamp counter in kHz for a guest that is about to boot; null where the guest learns it
 * from KVM. Measured by the agent's own binary, which takes 0.2 s: nothing in Node reads the counter, and the host's
 * kernel shows its figure to nobody but its log.
 */
export async function bootTscKhz(accel: Accelerator, agent: string): Promise<number | null> {
  if (accel === "kvm") return null;
  const { stdout } = await run(agent, ["--tsc-khz"], { timeout: 10_000, env: {} });
  const khz = Number(stdout.trim());
  if (!Number.isSafeInteger(khz) || khz < 100_000)
    throw new Error(`Cannot measure the time stamp counter: "${stdout.trim()}"`);
  return khz;
}
