import { setFlagsFromString } from "node:v8";
import type * as CedarModule from "@cedar-policy/cedar-wasm/nodejs";

/** The policy engine: Cedar, compiled to WebAssembly. */
export type Cedar = typeof CedarModule;

let loading: Promise<Cedar> | undefined;

/** Loads the engine once for the process; it is not needed before the first decision. */
export function loadCedar(): Promise<Cedar> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Cedar> {
  // A daemon asks it for a fraction of a second in total: optimising it costs more time and memory than it ever saves.
  setFlagsFromString("--liftoff-only");
  return await import("@cedar-policy/cedar-wasm/nodejs");
}
