import { createHash } from "node:crypto";
import serializer from "canonicalize";
import { normalizeWorkload } from "./normalize.js";
import type { Workload } from "./schema.js";

// The package is CommonJS whose types promise an ES default export.
const serialize = serializer as unknown as (value: unknown) => string;

/** The one text of a valid workload: its normal form as canonical JSON by RFC 8785. */
export function canonicalWorkload(workload: Workload): string {
  return serialize(normalizeWorkload(workload));
}

/** SHA-256 of {@link canonicalWorkload} in lower-case hexadecimal: what a review names. */
export function irHash(workload: Workload): string {
  return createHash("sha256").update(canonicalWorkload(workload)).digest("hex");
}

/** What `mvmctl compile` prints: the workload in normal form and its hash. */
export function compiledDocument(workload: Workload): {
  readonly schema_version: 1;
  readonly ir_hash: string;
  readonly ir: Workload;
} {
  return { schema_version: 1, ir_hash: irHash(workload), ir: normalizeWorkload(workload) };
}
