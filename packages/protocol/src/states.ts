/** The states of a sandbox. */
export const sandboxStates = [
  "creating",
  "running",
  "paused",
  "cold",
  "restoring",
  "stopped",
  "destroyed",
  "failed",
] as const;

/**
 * `paused`: vCPUs stopped, memory resident. `cold`: everything sealed on disk, no process. `stopped`: process and
 * memory gone, disk kept. `destroyed`: all state deleted. `failed`: ended by itself; the reason says why.
 */
export type SandboxState = (typeof sandboxStates)[number];

/** Why a sandbox ended; null while it has not. */
export const endReasons = [
  "stopped",
  "destroyed",
  "ttl",
  "idle",
  "client_gone",
  "crashed",
  "oom",
  "daemon_lost",
] as const;

/** One of {@link endReasons}. */
export type EndReason = (typeof endReasons)[number];

/** Where each state may go. Any state may also become `destroyed` or `failed`, but for those two. */
export const transitions: { readonly [S in SandboxState]: readonly SandboxState[] } = {
  creating: ["running", "destroyed", "failed"],
  running: ["paused", "cold", "stopped", "destroyed", "failed"],
  paused: ["running", "cold", "stopped", "destroyed", "failed"],
  cold: ["restoring", "stopped", "destroyed", "failed"],
  restoring: ["running", "destroyed", "failed"],
  stopped: ["running", "destroyed", "failed"],
  destroyed: [],
  failed: ["destroyed"],
};

/** Whether a sandbox may go from one state to the other. */
export function canTransition(from: SandboxState, to: SandboxState): boolean {
  return transitions[from].includes(to);
}

/** Whether the state means that no machine of the sandbox runs and none will by itself. */
export function isEnded(state: SandboxState): boolean {
  return state === "stopped" || state === "destroyed" || state === "failed";
}
