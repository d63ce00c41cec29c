import type { SandboxInfoDocument } from "@mvm/protocol";
import { printable } from "../render/escape.js";
import { span } from "../render/units.js";

/** One line about a sandbox after something was done to it. */
export function describe(sandbox: SandboxInfoDocument, now = Date.now()): string {
  const name = sandbox.name === null ? sandbox.id : `${sandbox.name} (${sandbox.id})`;
  return printable(`${name} is ${stateOf(sandbox)}, ${accelOf(sandbox)}${ttlText(sandbox, now)}`);
}

/** The state, with the reason when it says more. */
export function stateOf(sandbox: SandboxInfoDocument): string {
  return sandbox.reason === null || sandbox.reason === sandbox.state
    ? sandbox.state
    : `${sandbox.state} (${sandbox.reason})`;
}

/** Backend and accelerator. */
export function accelOf(sandbox: SandboxInfoDocument): string {
  return `${sandbox.backend}/${sandbox.accel}`;
}

/** How long the sandbox still has; `never` ends by itself, and an ended one has nothing left. */
export function ttlLeft(sandbox: SandboxInfoDocument, now = Date.now()): string {
  if (sandbox.ended_at !== null) return "-";
  return sandbox.expires_at === null ? "never" : span(Date.parse(sandbox.expires_at) - now);
}

function ttlText(sandbox: SandboxInfoDocument, now: number): string {
  if (sandbox.ended_at !== null) return "";
  return sandbox.expires_at === null ? ", without an end" : `, ends in ${ttlLeft(sandbox, now)}`;
}
