import { type Static, Type } from "@sinclair/typebox";

/** What kind of failure the agent reports. */
export const AgentErrorKindSchema = Type.Union(
  (
    [
      "invalid",
      "not_found",
      "exists",
      "denied",
      "special",
      "not_directory",
      "is_directory",
      "not_empty",
      "no_space",
      "read_only",
      "limit",
      "unavailable",
      "io",
      "protocol",
      "unsupported",
      "cancelled",
    ] as const
  ).map((kind) => Type.Literal(kind)),
);
export type AgentErrorKind = Static<typeof AgentErrorKindSchema>;

/** Payload of an ERROR frame. */
export const AgentErrorSchema = Type.Object(
  {
    kind: AgentErrorKindSchema,
    errno: Type.Union([Type.String({ maxLength: 32 }), Type.Null()]),
    message: Type.String({ maxLength: 8192 }),
    outcome: Type.Union([Type.Literal("not_started"), Type.Literal("completed"), Type.Literal("unknown")]),
  },
  { additionalProperties: false },
);
export type AgentErrorMessage = Static<typeof AgentErrorSchema>;
