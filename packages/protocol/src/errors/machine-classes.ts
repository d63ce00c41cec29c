import { type ErrorDetails, SandboxError } from "./base.js";
import type { ErrorName } from "./tree.js";

/** A failure that is expected to pass. */
export class TransientError extends SandboxError {
  static override readonly errorName: ErrorName = "TransientError";
}

/** A machine failed for a reason that is expected to pass. */
export class VmTransientError extends TransientError {
  static override readonly errorName: ErrorName = "VmTransientError";
}

/** The guest's agent was not ready in time. */
export class VmBootTimeoutError extends VmTransientError {
  static override readonly errorName = "VmBootTimeoutError";
}

const maxStderr = 4096;

/** The disk of a sandbox could not be made; `stderr` is what the disk tool printed (the last 4 KiB). */
export class VmOverlayError extends VmTransientError {
  static override readonly errorName = "VmOverlayError";
  readonly stderr: string;
  readonly errorClass: string | null;
  constructor(details: ErrorDetails & { readonly stderr?: string; readonly errorClass?: string | null }) {
    super(details);
    this.stderr = (details.stderr ?? "").slice(-maxStderr);
    this.errorClass = details.errorClass ?? null;
  }
  protected override extraFields(): Record<string, unknown> {
    return { stderr: this.stderr, error_class: this.errorClass };
  }
}

/** QEMU ended by itself while a machine was starting. */
export class VmQemuCrashError extends VmTransientError {
  static override readonly errorName = "VmQemuCrashError";
}

/** The egress gateway of a machine could not be started. */
export class VmNetworkError extends VmTransientError {
  static override readonly errorName = "VmNetworkError";
}

/** The host has no room for another machine. */
export class VmCapacityError extends VmTransientError {
  static override readonly errorName = "VmCapacityError";
}

/** The guest did not give back as much memory as was asked for. */
export class BalloonTransientError extends TransientError {
  static override readonly errorName = "BalloonTransientError";
}

/** A connection failed for a passing reason, before anything was sent. */
export class CommunicationTransientError extends TransientError {
  static override readonly errorName = "CommunicationTransientError";
}

/** A failure that will not pass by trying again. */
export class PermanentError extends SandboxError {
  static override readonly errorName: ErrorName = "PermanentError";
}

/** A machine cannot be run as requested. */
export class VmPermanentError extends PermanentError {
  static override readonly errorName: ErrorName = "VmPermanentError";
}

/** The configuration of a machine is contradictory or impossible. */
export class VmConfigError extends VmPermanentError {
  static override readonly errorName = "VmConfigError";
}

/** A program, image or permission that every machine needs is missing. */
export class VmDependencyError extends VmPermanentError {
  static override readonly errorName = "VmDependencyError";
}
