import { createError } from "@mvm/protocol/errors";

/** An option without which the verb means nothing. @param example a line that would work */
export function required<T>(value: T | undefined, name: string, example: string): T {
  if (value !== undefined) return value;
  throw createError("INVALID_ARGUMENT", {
    message: `Cannot go on without ${name}`,
    hint: `For example: mvmctl ${example}`,
  });
}
