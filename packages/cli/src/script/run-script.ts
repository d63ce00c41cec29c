import { unsupported, usageError } from "../errors.js";
import type { Context } from "../output/context.js";
import { interpreter, startScript } from "./start-script.js";

/** Runs an SDK script on the host; what it does in sandboxes is up to the mode. Returns the exit code. */
export async function runScript(
  mode: "live" | "plan" | "record",
  argv: readonly string[],
  context: Context,
): Promise<number> {
  const [script, ...rest] = argv;
  if (script === undefined) throw usageError(`Cannot run in mode ${mode}: no script is given`);
  interpreter(script);
  if (mode === "live") {
    if (context.json)
      throw unsupported("mode-live-json", "Cannot use --json with --mode live: the script prints what it likes");
    return startScript(script, rest, { MVM_SDK_MODE: "live" }, "inherit", context);
  }
  const { recordScript } = await import("./record-script.js");
  return recordScript(mode, script, rest, context);
}
