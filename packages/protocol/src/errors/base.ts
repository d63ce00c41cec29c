import { type ErrorContext, safeContext } from "./context.js";
import type { Boundary, Outcome, Retry } from "./row.js";
import { errorRow, type ErrorCode } from "./table.js";
import { ancestry, errorTree, type ErrorName } from "./tree.js";

/** Marks errors of this family in a way that survives two copies of the package in one process. */
const brand: unique symbol = Symbol.for("@mvm/protocol/SandboxError") as never;
const maxMessage = 4096;

/** What is specific to one occurrence of an error; everything but the message has a default in the table. */
export interface ErrorDetails {
  /** Code of the table; an unknown string (from a newer daemon) is kept and treated like `INTERNAL`. */
  readonly code?: ErrorCode | (string & {});
  /** "Cannot <verb> <thing>: <what is true now>", without a full stop and without secret values. */
  readonly message: string;
  /** What the caller can do. */
  readonly hint?: string;
  readonly boundary?: Boundary;
  readonly retry?: Retry;
  readonly outcome?: Outcome;
  /** The call that failed, e.g. `sandboxes.create`. */
  readonly operation?: string | null;
  readonly sandboxId?: string | null;
  readonly runId?: string | null;
  readonly auditId?: string | null;
  /** Ids, counts and names only; see {@link safeContext}. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** The failure beneath; never serialised. */
  readonly cause?: unknown;
}

/** The one base class: every failure that mvm reports is an instance, in the SDK, the CLI and the daemon. */
export class SandboxError extends Error {
  /** Name in the tree; subclasses override it, so that minified code keeps its names. */
  static readonly errorName: ErrorName = "SandboxError";

  readonly code: string;
  readonly hint: string;
  readonly boundary: Boundary;
  readonly retry: Retry;
  /** Whether the operation had an effect: only `not_started` may be repeated blindly. */
  readonly outcome: Outcome;
  readonly operation: string | null;
  readonly sandboxId: string | null;
  readonly runId: string | null;
  readonly auditId: string | null;
  readonly context: ErrorContext;

  constructor(details: ErrorDetails) {
    super(details.message.slice(0, maxMessage), details.cause === undefined ? undefined : { cause: details.cause });
    const name = new.target.errorName;
    Object.defineProperty(this, "name", { value: name, configurable: true, writable: true });
    Object.defineProperty(this, brand, { value: true });
    this.code = details.code ?? errorTree[name].code;
    const row = errorRow(this.code);
    this.hint = details.hint ?? row.hint;
    this.boundary = details.boundary ?? row.boundary;
    this.retry = details.retry ?? row.retry;
    this.outcome = details.outcome ?? row.outcome;
    this.operation = details.operation ?? null;
    this.sandboxId = details.sandboxId ?? null;
    this.runId = details.runId ?? null;
    this.auditId = details.auditId ?? null;
    this.context = safeContext(details.context);
  }

  /** True exactly for the family of `TransientError`. */
  get transient(): boolean {
    return ancestry(this.name).includes("TransientError");
  }

  /** True exactly for the family of `PermanentError`. */
  get permanent(): boolean {
    return ancestry(this.name).includes("PermanentError");
  }

  /** The fields a subclass adds, in snake_case. */
  protected extraFields(): Record<string, unknown> {
    return {};
  }

  /** The error document of the contract, ready for JSON. Holds no stack and no cause. */
  toDocument(): ErrorDocument {
    return {
      schema_version: 1,
      error: {
        name: this.name,
        code: this.code,
        message: this.message,
        hint: this.hint,
        boundary: this.boundary,
        retry: this.retry,
        outcome: this.outcome,
        operation: this.operation,
        sandbox_id: this.sandboxId,
        run_id: this.runId,
        audit_id: this.auditId,
        context: this.context,
        ...this.extraFields(),
      },
    };
  }
}

/** An error as it crosses the HTTP API and as `--json` prints it. */
export interface ErrorDocument {
  readonly schema_version: 1;
  readonly error: ErrorBody;
}

/** The fields of an error document; a class may add its own. */
export interface ErrorBody {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly boundary: Boundary;
  readonly retry: Retry;
  readonly outcome: Outcome;
  readonly operation: string | null;
  readonly sandbox_id: string | null;
  readonly run_id: string | null;
  readonly audit_id: string | null;
  readonly context: ErrorContext;
  readonly [extra: string]: unknown;
}

/** True for an error of this family, also when another copy of the package made it. */
export function isSandboxError(value: unknown): value is SandboxError {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
}
