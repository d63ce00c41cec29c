import type { Backend } from "../backends/backend.js";
import { findByCookie } from "../processes/find-by-cookie.js";
import { killIfSame } from "../processes/identity.js";
import type { StateFile } from "../store/state-file.js";

/**
 * Ends what a former daemon left of a sandbox: the process it wrote down, and the one it had no time to write down, found
 * by the sandbox's id in its command line. Never signals a process that is not provably this sandbox's.
 * @returns how many were ended
 */
export async function reapLeftovers(
  id: string,
  state: StateFile | undefined,
  backend: Backend | undefined,
): Promise<number> {
  let ended = 0;
  if (state?.identity != null && backend !== undefined && (await backend.reap(state.identity))) ended += 1;
  for (const process of findByCookie(new Set([id])).get(id) ?? []) if (killIfSame(process)) ended += 1;
  return ended;
}
