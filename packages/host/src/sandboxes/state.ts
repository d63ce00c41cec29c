import { canTransition, SandboxUnavailable, type EndReason, type SandboxState } from "@mvm/protocol";
import type { Live, Sandbox } from "./sandbox.js";

/**
 * Moves a sandbox to another state; the only place that writes `state` and `reason`.
 * @throws {SandboxUnavailable} the contract has no such transition
 */
export function moveTo(sandbox: Sandbox, state: SandboxState, reason: EndReason | null = null): void {
  if (!canTransition(sandbox.state, state)) throw unavailable(sandbox, `become ${state}`);
  const from = sandbox.state;
  sandbox.state = state;
  sandbox.reason = reason;
  sandbox.endedAt = state === "running" ? null : reason === null ? sandbox.endedAt : new Date().toISOString();
  sandbox.logs.event("state", { from, to: state, reason });
}

/**
 * The machine of a sandbox that can answer now.
 * @throws {SandboxUnavailable} with the state and reason
 */
export function requireLive(sandbox: Sandbox, operation: string): Live {
  const { live, state, stopping, destroying, failing } = sandbox;
  if (live !== null && state === "running" && stopping === null && destroying === null && failing === null) {
    sandbox.usedAt = performance.now();
    return live;
  }
  throw unavailable(sandbox, operation);
}

/**
 * The machine of a sandbox that is running or paused: for what acts on the machine, not on the guest.
 * @throws {SandboxUnavailable} with the state and reason
 */
export function requireMachine(sandbox: Sandbox, operation: string): Live {
  const { live, state, stopping, destroying, failing } = sandbox;
  const there = state === "running" || state === "paused";
  if (live !== null && there && stopping === null && destroying === null && failing === null) return live;
  throw unavailable(sandbox, operation);
}

/** The error for a call a sandbox cannot serve in its state. */
export function unavailable(sandbox: Sandbox, operation: string): SandboxUnavailable {
  const { state, reason, stopping, destroying } = sandbox;
  const now =
    destroying !== null ? "it is being destroyed" : stopping !== null ? "it is being stopped" : `it is ${state}`;
  const why = reason === null || reason === state ? "" : ` (${reason})`;
  return new SandboxUnavailable({
    message: `Cannot ${operation} sandbox "${sandbox.plan.name ?? sandbox.id}": ${now}${why}`,
    state,
    reason,
    operation,
    sandboxId: sandbox.id,
    ...(destroying === null && stopping === null && stateHint(sandbox)),
  });
}

/** What gets a sandbox out of a state in which it cannot serve; for the others the table's hint says enough. */
function stateHint({ id, plan, state }: Sandbox): { hint?: string } {
  const ref = plan.name ?? id;
  switch (state) {
    case "paused":
    case "cold":
      return { hint: `Resume it first: \`mvmctl resume ${ref}\`` };
    case "stopped":
      return { hint: `Start it again first: \`mvmctl start ${ref}\`` };
    case "creating":
    case "restoring":
      return { hint: "Wait until it runs, and try again" };
    default:
      return {};
  }
}
