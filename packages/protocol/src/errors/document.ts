import type { CommandResultDocument } from "../api/results.js";
import { commandResultFromDocument } from "../results/wire.js";
import type { SandboxError } from "./base.js";
import { errorClasses } from "./registry.js";
import { errorRow, isErrorCode } from "./table.js";
import type { ErrorName } from "./tree.js";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);
const oneOf = <T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T =>
  allowed.includes(value as T) ? (value as T) : otherwise;

const boundaries = [
  "client",
  "transport",
  "admission",
  "policy",
  "network",
  "secret",
  "filesystem",
  "backend",
  "guest",
  "snapshot",
  "cleanup",
] as const;

function resultOf(body: Record<string, unknown>): unknown {
  const result = body["result"];
  return isRecord(result) ? commandResultFromDocument(result as unknown as CommandResultDocument) : null;
}

/** What the receiver knows and a document may leave out. */
export interface DocumentOrigin {
  readonly operation?: string | undefined;
  readonly sandboxId?: string | undefined;
}

/**
 * Rebuilds the error an {@link ErrorDocument} describes: same class, same fields. Never throws: a document of a newer version keeps
 * its code and falls back to the nearest class, one that is no error document becomes a `PROTOCOL_VIOLATION`.
 */
export function fromDocument(document: unknown, at: DocumentOrigin = {}): SandboxError {
  const body = isRecord(document) ? document["error"] : undefined;
  if (!isRecord(body) || typeof body["message"] !== "string") {
    return new (errorClasses.TransportError as new (details: object) => SandboxError)({
      code: "PROTOCOL_VIOLATION",
      message: "Cannot read the error of the other end: it is not an error document",
      operation: at.operation ?? null,
      sandboxId: at.sandboxId ?? null,
    });
  }
  const code = text(body["code"], "INTERNAL");
  const row = errorRow(code);
  const named = text(body["name"], row.class);
  let name = Object.hasOwn(errorClasses, named) ? named : isErrorCode(code) ? row.class : "SandboxError";
  if (name === "CommandFailed" && !isRecord(body["result"])) name = "SandboxError";
  const make = errorClasses[name as ErrorName] as new (details: object) => SandboxError;
  const response = isRecord(body["response"]) ? body["response"] : {};
  return new make({
    code,
    message: body["message"],
    hint: text(body["hint"], row.hint),
    boundary: oneOf(body["boundary"], boundaries, row.boundary),
    retry: oneOf(body["retry"], ["safe", "ask", "never"] as const, row.retry),
    outcome: oneOf(body["outcome"], ["not_started", "completed", "unknown"] as const, row.outcome),
    operation: textOrNull(body["operation"]) ?? at.operation ?? null,
    sandboxId: textOrNull(body["sandbox_id"]) ?? at.sandboxId ?? null,
    runId: textOrNull(body["run_id"]),
    auditId: textOrNull(body["audit_id"]),
    context: isRecord(body["context"]) ? body["context"] : {},
    result: resultOf(body),
    rule: textOrNull(body["rule"]),
    state: textOrNull(body["state"]),
    reason: textOrNull(body["reason"]),
    backend: text(body["backend"], "unknown"),
    feature: text(body["feature"], "unknown"),
    expectedUid: Number(body["expected_uid"] ?? -1),
    actualUid: Number(body["actual_uid"] ?? -1),
    stderr: text(body["stderr"], ""),
    errorClass: textOrNull(body["error_class"]),
    response: {
      kind: text(response["kind"], "unknown"),
      errno: textOrNull(response["errno"]),
      message: text(response["message"], ""),
      outcome: text(response["outcome"], "unknown"),
    },
  });
}
