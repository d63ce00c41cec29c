import { InvalidArgumentError } from "@mvm/protocol";
import { checkTtl, type Ceilings } from "../admission/ceilings.js";
import { fault } from "../observe/fault.js";
import { destroySandbox } from "./destroy.js";
import { expiryAfter, remainingMs } from "./expiry.js";
import { longTimer } from "./long-timer.js";
import { persist } from "./persist.js";
import { outliveDaemon } from "./outlive.js";
import type { Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";
import { unavailable } from "./state.js";

/** How long before its end a sandbox says so. Milliseconds. */
const noticeMs = 60_000;

/** Sets the timers of a sandbox's expiry, in place of earlier ones. */
export function armTtl(services: Services, sandbox: Sandbox): void {
  for (const timer of sandbox.timers.splice(0)) timer.cancel();
  outliveDaemon(services, sandbox);
  const { expiry } = sandbox;
  if (expiry === null) return;
  const left = remainingMs(expiry);
  if (left > noticeMs) {
    sandbox.timers.push(longTimer(left - noticeMs, () => void sandbox.events.emit("expiring", expiry.at)));
  }
  sandbox.timers.push(longTimer(left, () => services.tasks.run("ttl", () => destroySandbox(services, sandbox, "ttl"))));
}

/**
 * Gives a sandbox another time to live, counted from now; null means until it is destroyed. The only thing that ever changes
 * it: using a sandbox does not.
 * @throws {InvalidArgumentError} a detached sandbox must have one
 * @throws {PolicyDenied} it is above the ceiling
 */
export function setTtl(services: Services, sandbox: Sandbox, seconds: number | null, ceilings: Ceilings): void {
  if (sandbox.destroying !== null || sandbox.starting !== null) throw unavailable(sandbox, "set the TTL of");
  if (seconds === null && sandbox.detached) {
    throw new InvalidArgumentError({
      message: `Cannot remove the TTL of sandbox "${sandbox.plan.name ?? sandbox.id}": it is detached`,
      hint: "Give it a time to live: nobody's connection would end it otherwise",
    });
  }
  if (seconds !== null) checkTtl(seconds, ceilings);
  const before = sandbox.expiry;
  sandbox.expiry = seconds === null ? null : expiryAfter(seconds);
  try {
    fault("ttl.before-journal");
    persist(sandbox);
  } catch (error) {
    sandbox.expiry = before;
    throw error;
  }
  sandbox.logs.event("ttl", { expires_at: sandbox.expiry?.at ?? null });
  armTtl(services, sandbox);
}
