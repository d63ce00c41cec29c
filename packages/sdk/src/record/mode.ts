import { BackendUnsupported, RecordModeError } from "@mvm/protocol";

/** What a script was refused while it was recorded, first of all; null while nothing was. */
let refused: RecordModeError | null = null;

/**
 * Whether `MVM_SDK_MODE` says that the script is recorded: nothing is started then, and what it asks for becomes a workload.
 * @throws {BackendUnsupported} there is no such mode
 */
export function recording(): boolean {
  const mode = process.env["MVM_SDK_MODE"] || "live";
  if (mode === "live" || mode === "record") return mode === "record";
  throw new BackendUnsupported({
    message: `Cannot use the SDK in mode ${JSON.stringify(mode.slice(0, 32))}: it is neither live nor record`,
    hint: mode === "plan" ? "Plan with `mvmctl run --mode plan SCRIPT`" : "Unset MVM_SDK_MODE to run live",
    backend: mode,
    feature: "sdk mode",
  });
}

/**
 * Refuses what a recording cannot keep. A recording without it would mean something else than the script, so nothing is
 * written even if the script catches the error.
 * @param what the call or value, such as `files.read`
 */
export function refuse(what: string, why: string, hint?: string): never {
  const message = `Cannot record ${what}: ${why}`;
  const error = new RecordModeError({ message, operation: what, ...(hint !== undefined && { hint }) });
  refused ??= error;
  throw error;
}

/** The first refusal. */
export function refusal(): RecordModeError | null {
  return refused;
}

/** Refuses a call that needs a daemon, when the script is recorded. */
export function onlyLive(operation: string): void {
  if (recording()) refuse(operation, "there is no sandbox yet that it could speak of");
}
