import { createError, type SandboxError } from "@mvm/protocol/errors";

/** A command line that does not exist in this form: exit 64. */
export function usageError(message: string, hint?: string): SandboxError {
  return createError("USAGE", { message, ...(hint === undefined ? {} : { hint }) });
}

/** A value that cannot be used: exit 64. */
export function invalidArgument(message: string, hint?: string): SandboxError {
  return createError("INVALID_ARGUMENT", { message, ...(hint === undefined ? {} : { hint }) });
}

/** A feature that this version cannot provide: exit 78. */
export function unsupported(feature: string, message: string, hint?: string): SandboxError {
  return createError("BACKEND_UNSUPPORTED", {
    message,
    backend: "mvmctl",
    feature,
    boundary: "client",
    ...(hint === undefined ? {} : { hint }),
  });
}
