import { Type } from "@sinclair/typebox";
import { nullable, oneOf, strict } from "./shapes.js";

/** The error document; a class may add fields of its own. */
export const ErrorDocumentSchema = Type.Object(
  {
    schema_version: Type.Literal(1),
    error: Type.Object({
      name: Type.String(),
      code: Type.String(),
      message: Type.String(),
      hint: Type.String(),
      boundary: oneOf([
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
      ]),
      retry: oneOf(["safe", "ask", "never"]),
      outcome: oneOf(["not_started", "completed", "unknown"]),
      operation: nullable(Type.String()),
      sandbox_id: nullable(Type.String()),
      run_id: nullable(Type.String()),
      audit_id: nullable(Type.String()),
      context: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])),
    }),
  },
  strict,
);
