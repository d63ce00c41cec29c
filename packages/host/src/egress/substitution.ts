import type { SecureContext } from "node:tls";
import type { RedactedStream } from "../logs/redact.js";

/** A header's value as it goes out. */
export interface Substituted {
  readonly text: string;
  /** Secrets whose value now stands in it. */
  readonly sent: readonly string[];
  /** Secrets of the sandbox whose placeholder stays what it is: they are not bound to this host or header. */
  readonly kept: readonly string[];
}

/** What the secrets of a sandbox mean for its way out. */
export interface Substitution {
  /** Whether connections to this host may need a value, so that their TLS has to end in this process. */
  bound(host: string): boolean;
  /** How this process speaks TLS in the place of a host. */
  contextFor(host: string): SecureContext;
  /** @throws {SandboxError} a value cannot be had any more */
  substitute(host: string, header: string, text: string): Substituted;
  /** Takes values out of what a server answers, each by as many other bytes: lengths that were announced stay true. */
  mask(): RedactedStream;
}
