import { JsonRefusal, scanJson } from "../frames/json-inspect.js";
import type { WorkloadCode, WorkloadProblem } from "./codes.js";
import { workloadLimits } from "./limits.js";
import { normalizeWorkload } from "./normalize.js";
import type { Workload } from "./schema.js";
import { validateWorkload } from "./validate.js";

/** A workload in normal form, or why there is none. */
export type Parsed =
  | { readonly workload: Workload; readonly problems: readonly [] }
  | { readonly workload: null; readonly problems: readonly WorkloadProblem[] };

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a workload document: JSON in UTF-8 of at most 8 MiB. Never throws. */
export function parseWorkload(bytes: Uint8Array): Parsed {
  const problem = (code: WorkloadCode, detail: string, path = ""): Parsed => ({
    workload: null,
    problems: [{ code, path, detail }],
  });
  if (bytes.length > workloadLimits.bytes) {
    return problem("E_TOO_LARGE", `${bytes.length} bytes are more than ${workloadLimits.bytes}`);
  }
  let value: unknown;
  try {
    const source = utf8.decode(bytes);
    scanJson(source, workloadLimits.depth);
    value = JSON.parse(source);
  } catch (error) {
    if (!(error instanceof JsonRefusal)) return problem("E_MALFORMED_JSON", "It is not JSON in UTF-8");
    const deep = error.message.includes("deeper");
    return problem(deep ? "E_TOO_DEEP" : "E_MALFORMED_JSON", error.message, error.path);
  }
  const problems = validateWorkload(value);
  if (problems.length > 0) return { workload: null, problems };
  return { workload: normalizeWorkload(value as Workload), problems: [] };
}
