import { createError, type ErrorDocument, errorRow, isSandboxError, type SandboxError } from "@mvm/protocol/errors";
import { printable } from "./escape.js";

/** What is shown for anything that was thrown: an error of the table, or `INTERNAL` for a defect of this program. */
export function asSandboxError(thrown: unknown): SandboxError {
  if (isSandboxError(thrown)) return thrown;
  if ((thrown as NodeJS.ErrnoException | undefined)?.syscall === "uv_cwd") {
    return createError("INVALID_ARGUMENT", {
      message: "Cannot find what a relative path means: the working directory is no longer there",
      hint: "Change to a directory that exists, or name absolute paths",
      cause: thrown,
    });
  }
  const errno = (thrown as NodeJS.ErrnoException | undefined)?.code;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return createError("INTERNAL", {
    message: `Cannot finish the command: ${message}`,
    cause: thrown,
    ...(errno === undefined ? {} : { context: { errno } }),
  });
}

/** The two lines for stderr. Names from guests cannot move the cursor. */
export function errorLines(error: SandboxError): string {
  return `mvmctl: ${error.name} [${error.code}]: ${printable(error.message)}\nhint: ${printable(hintOf(error))}\n`;
}

/** The document for stdout: that of the API, with the hint for a user of this program. */
export function errorDocument(error: SandboxError): ErrorDocument {
  const { error: body, ...document } = error.toDocument();
  return { ...document, error: { ...body, hint: hintOf(error) } };
}

/** What a user of this program can do. A hint that is not the table's own knows more about this occurrence. */
function hintOf({ code, hint }: SandboxError): string {
  const row = errorRow(code);
  return hint === row.hint ? (row.cliHint ?? hint) : hint;
}

/** The stacks of an error and of what caused it, for `--debug`. */
export function errorStacks(error: unknown): string {
  const lines: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    lines.push(`${depth === 0 ? "" : "caused by: "}${at.stack ?? at.message}`);
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** Exit code of an error when no guest result exists. */
export function exitCodeOf(error: SandboxError): number {
  return errorRow(error.code).exit;
}
