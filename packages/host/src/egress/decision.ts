/** Why a connection was refused, cut or could not be made. The names are part of logs and of the audit. */
export type RefusalReason =
  /** No rule names the host and port. */
  | "no_rule"
  /** The operator's network file cannot be used: nothing is allowed until it can. */
  | "operator_file"
  /** As many connections as one sandbox may have are open. */
  | "too_many"
  | "not_resolved"
  /** Every address of the name is one that a rule would have to name itself. */
  | "private_address"
  | "unreachable"
  /** The opening bytes did not come in time. */
  | "silent"
  | "not_tls"
  | "no_server_name"
  | "other_server_name"
  | "encrypted_hello"
  | "not_http"
  | "other_host"
  /** The server did not prove to be the host that a secret is bound to. */
  | "not_verified"
  /** The program does not believe the sandbox's own authority, or speaks another protocol than HTTP/1.1. */
  | "guest_tls"
  /** The value of a secret cannot be had any more: it was removed, or bound to other hosts. */
  | "secret_unavailable"
  /** That a secret is used cannot be recorded, so it is not. */
  | "audit_unavailable"
  /** The policy changed while the connection was open. */
  | "policy_changed";

/** One decision about a sandbox's way out. Hosts are names of rules or, where refused, what the guest asked for. */
export type EgressDecision =
  | { readonly decision: "allowed"; readonly host: string; readonly port: number; readonly address: string }
  | {
      readonly decision: "refused";
      readonly host: string;
      /** Null when only the name was asked for. */
      readonly port: number | null;
      readonly reason: RefusalReason;
      /** `host` refused it, or, as it says itself, the guest's own resolver. */
      readonly by: "host" | "guest";
    }
  | {
      /** A placeholder was on its way to the host. */
      readonly decision: "secret";
      readonly host: string;
      readonly port: number;
      /** Name of the secret. */
      readonly secret: string;
      /** Whether its value was sent in its place. */
      readonly sent: boolean;
    }
  | {
      readonly decision: "ended";
      readonly host: string;
      readonly port: number;
      readonly cut: RefusalReason | null;
      readonly sent_bytes: number;
      readonly received_bytes: number;
      readonly duration_ms: number;
    };

/** Ends a connection that may not be or go on. Never leaves the egress folder. */
export class Refusal extends Error {
  constructor(readonly reason: RefusalReason) {
    super(reason);
  }
}
