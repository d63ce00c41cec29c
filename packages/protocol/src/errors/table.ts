import type { ErrorRow } from "./row.js";
import { clientErrors } from "./table/client.js";
import { guestErrors } from "./table/guest.js";
import { machineErrors } from "./table/machine.js";
import { sandboxErrors } from "./table/sandbox.js";

/** Every error code of mvm. Plain data: the classes, the CLI, docs/errors.md and the Python classes are made from it. */
export const errorTable = { ...clientErrors, ...sandboxErrors, ...guestErrors, ...machineErrors } as const;

/** A code of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** True for a string that is a code of this version's table. A newer daemon may send others. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** The row of a code; unknown codes answer like `INTERNAL`. */
export function errorRow(code: string): ErrorRow {
  return isErrorCode(code) ? errorTable[code] : errorTable.INTERNAL;
}
