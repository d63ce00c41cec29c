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
  return sha256(canonicalWorkload(workload));
}

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

/** What `mvmctl compile` prints: the workload in normal form and its hash. */
export function compiledDocument(workload: Workload): {
  readonly schema_version: 1;
  readonly ir_hash: string;
  readonly ir: Workload;
} {
  const text = canonicalWorkload(workload);
  // Read back from its one text, so that the members stand in the same order whoever wrote them.
  return { schema_version: 1, ir_hash: sha256(text), ir: JSON.parse(text) as Workload };
}
