import { type ErrorDetails, SandboxError } from "./base.js";

/** A connection failed before a result was available. */
export class TransportError extends SandboxError {
  static override readonly errorName: "TransportError" | "SocketAuthError" | "OutcomeUnknownError" = "TransportError";
}

/** The daemon's socket is not ours: another user owns it, or others may write to its directory. */
export class SocketAuthError extends TransportError {
  static override readonly errorName = "SocketAuthError";
  readonly expectedUid: number;
  readonly actualUid: number;
  constructor(details: ErrorDetails & { readonly expectedUid: number; readonly actualUid: number }) {
    super(details);
    this.expectedUid = details.expectedUid;
    this.actualUid = details.actualUid;
  }
  protected override extraFields(): Record<string, unknown> {
    return { expected_uid: this.expectedUid, actual_uid: this.actualUid };
  }
}

/** The request was sent and its answer was lost. Never repeated automatically. */
export class OutcomeUnknownError extends TransportError {
  static override readonly errorName = "OutcomeUnknownError";
}
