import { commandResultToDocument } from "../results/wire.js";
import type { CommandResult } from "../results/command-result.js";
import { type ErrorDetails, SandboxError } from "./base.js";

/** A guest command exited with a status other than zero, and the caller asked for that to be an error. */
export class CommandFailed extends SandboxError {
  static override readonly errorName = "CommandFailed";
  readonly result: CommandResult;
  constructor(details: ErrorDetails & { readonly result: CommandResult }) {
    super(details);
    this.result = details.result;
  }
  protected override extraFields(): Record<string, unknown> {
    return { result: commandResultToDocument(this.result) };
  }
}

/** An operation exceeded its deadline. `result` is there when it was a command, with its partial output. */
export class Timeout extends SandboxError {
  static override readonly errorName = "Timeout";
  readonly result: CommandResult | null;
  constructor(details: ErrorDetails & { readonly result?: CommandResult | null }) {
    super(details.result && details.code === undefined ? { ...details, code: "COMMAND_TIMEOUT" } : details);
    this.result = details.result ?? null;
  }
  protected override extraFields(): Record<string, unknown> {
    return { result: this.result === null ? null : commandResultToDocument(this.result) };
  }
}

/** A rule refuses the request; `rule` is its stable id and `boundary` says which policy. */
export class PolicyDenied extends SandboxError {
  static override readonly errorName: "PolicyDenied" | "PackageNotAllowedError" = "PolicyDenied";
  readonly rule: string | null;
  constructor(details: ErrorDetails & { readonly rule?: string | null }) {
    super(details);
    this.rule = details.rule ?? null;
  }
  protected override extraFields(): Record<string, unknown> {
    return { rule: this.rule };
  }
}

/** A package is not on the allow-list of image builds. */
export class PackageNotAllowedError extends PolicyDenied {
  static override readonly errorName = "PackageNotAllowedError";
}

/** The sandbox, one of its processes or the daemon is not there or not able to answer; `state` and `reason` say why. */
export class SandboxUnavailable extends SandboxError {
  static override readonly errorName = "SandboxUnavailable";
  readonly state: string | null;
  readonly reason: string | null;
  constructor(details: ErrorDetails & { readonly state?: string | null; readonly reason?: string | null }) {
    super(details);
    this.state = details.state ?? null;
    this.reason = details.reason ?? null;
  }
  protected override extraFields(): Record<string, unknown> {
    return { state: this.state, reason: this.reason };
  }
}

/** The backend cannot do that on this host. */
export class BackendUnsupported extends SandboxError {
  static override readonly errorName = "BackendUnsupported";
  readonly backend: string;
  readonly feature: string;
  constructor(details: ErrorDetails & { readonly backend: string; readonly feature: string }) {
    super(details);
    this.backend = details.backend;
    this.feature = details.feature;
  }
  protected override extraFields(): Record<string, unknown> {
    return { backend: this.backend, feature: this.feature };
  }
}

/** An argument is missing, malformed or out of range; nothing was done. */
export class InvalidArgumentError extends SandboxError {
  static override readonly errorName: "InvalidArgumentError" | "EnvVarValidationError" = "InvalidArgumentError";
}

/** An environment variable's name or value is not allowed or too large. */
export class EnvVarValidationError extends InvalidArgumentError {
  static override readonly errorName = "EnvVarValidationError";
}

/** Reading a result that no guest produced, or doing what a workload cannot say, while a script is being recorded. */
export class RecordModeError extends SandboxError {
  static override readonly errorName = "RecordModeError";
}

/** Something that belongs to an ended sandbox could not be removed. */
export class CleanupError extends SandboxError {
  static override readonly errorName = "CleanupError";
}

/** An image or template could not be built. */
export class BuildError extends SandboxError {
  static override readonly errorName = "BuildError";
}

/** An optional program or package is missing. */
export class SandboxDependencyError extends SandboxError {
  static override readonly errorName = "SandboxDependencyError";
}

/** What the guest's agent answered; its message names paths, never content. */
export interface GuestErrorResponse {
  readonly kind: string;
  readonly errno: string | null;
  readonly message: string;
  readonly outcome: string;
}

/** The guest's agent answered with an error. */
export class GuestAgentError extends SandboxError {
  static override readonly errorName = "GuestAgentError";
  readonly response: GuestErrorResponse;
  constructor(details: ErrorDetails & { readonly response: GuestErrorResponse }) {
    super(details);
    this.response = details.response;
  }
  protected override extraFields(): Record<string, unknown> {
    return { response: { ...this.response } };
  }
}
