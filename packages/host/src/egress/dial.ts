import { connect, type Socket } from "node:net";
import { deadline } from "@mvm/protocol";
import { Refusal } from "./decision.js";
import type { Vetted } from "./resolve.js";

/** After this long without traffic the kernel asks whether the other side is still there. Milliseconds. */
const keepAliveMs = 60_000;

/** Addresses of one name that are tried. */
const maxTargets = 8;

/**
 * Connects to the first address that answers. Each has its share of what is left of the time.
 * @throws {Refusal} none does, or the signal aborts
 */
export async function dial(targets: readonly Vetted[], signal: AbortSignal): Promise<Socket> {
  const end = performance.now() + deadline("egressDial");
  const tried = targets.slice(0, maxTargets);
  for (const [at, target] of tried.entries()) {
    if (signal.aborted) break;
    const patience = (end - performance.now()) / (tried.length - at);
    const socket = await attempt(target, patience, signal);
    if (socket !== undefined) return socket;
  }
  throw new Refusal("unreachable");
}

function attempt({ address, port }: Vetted, patience: number, signal: AbortSignal): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    const give = (result: Socket | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abandon);
      if (result === undefined) socket.destroy();
      resolve(result);
    };
    const abandon = (): void => give(undefined);
    const timer = setTimeout(abandon, patience);
    signal.addEventListener("abort", abandon, { once: true });
    socket.once("connect", () => {
      socket.setKeepAlive(true, keepAliveMs);
      give(socket);
    });
    // Stays: an error of a socket that nobody reads yet must not end the daemon.
    socket.on("error", abandon);
  });
}
