import * as assets from "./asset-classes.js";
import { type ErrorDetails, SandboxError } from "./base.js";
import * as general from "./classes.js";
import * as machines from "./machine-classes.js";
import { errorRow, type ErrorCode } from "./table.js";
import * as transport from "./transport-classes.js";
import type { ErrorName } from "./tree.js";

type ErrorClass = { readonly prototype: SandboxError; new (details: never): SandboxError };

/** Every class of the tree by its name; the mapped type makes a missing one a compile error. */
export const errorClasses: { readonly [Name in ErrorName]: ErrorClass } = {
  SandboxError,
  ...general,
  ...transport,
  ...machines,
  ...assets,
};

/** What {@link createError} accepts besides the common details: the extra fields of the code's class. */
export type AnyErrorDetails = Omit<ErrorDetails, "code"> & Readonly<Record<string, unknown>>;

/**
 * Makes the error of a code with the class the table names. For the places that know a code and not its class:
 * the mapping of guest answers, of documents, of foreign failures. Elsewhere `new` of the class is checked better.
 */
export function createError(code: ErrorCode, details: AnyErrorDetails): SandboxError {
  const make = errorClasses[errorRow(code).class as ErrorName] as new (details: object) => SandboxError;
  return new make({ ...details, code });
}
