import type { SecureContext } from "node:tls";
import { PermanentError } from "@mvm/protocol";
import type { Substituted, Substitution } from "../egress/substitution.js";
import type { RedactedStream, Redactor } from "../logs/redact.js";
import type { Authority } from "./authority.js";
import { covers, type GrantedSecret, Placeholders } from "./placeholders.js";
import type { SecretStore } from "./secret-store.js";

/** Where the guest's agent puts the sandbox's authority: alone, and with all others that are trusted. */
const ownCertificate = "/etc/ssl/certs/mvm-sandbox.pem";
const bundle = "/etc/ssl/certs/ca-certificates.crt";

/** Programs that bring a list of certificates of their own. The sandbox's variables win. */
const trustVariables = { SSL_CERT_FILE: bundle, REQUESTS_CA_BUNDLE: bundle, NODE_EXTRA_CA_CERTS: ownCertificate };

/** The secrets of one sandbox with a machine: what its guest holds instead of them, and how they get into its requests. */
export class SandboxSecrets implements Substitution {
  private readonly placeholders: Placeholders;

  /** @param known placeholders the guest holds already, by variable */
  constructor(
    granted: readonly GrantedSecret[],
    known: Readonly<Record<string, string>>,
    private readonly authority: Authority,
    private readonly store: SecretStore,
    private readonly redactor: Redactor,
  ) {
    this.placeholders = new Placeholders(granted, (...use) => this.value(...use), known);
  }

  /** By variable. */
  get known(): Readonly<Record<string, string>> {
    return this.placeholders.env();
  }

  /** The guest's environment. */
  env(plaintext: Readonly<Record<string, string>>): Record<string, string> {
    return { ...trustVariables, ...plaintext, ...this.placeholders.env() };
  }

  /** PEM. */
  get certificate(): string {
    return this.authority.certificate;
  }

  bound(host: string): boolean {
    return this.placeholders.bound(host);
  }

  contextFor(host: string): SecureContext {
    return this.authority.contextFor(host);
  }

  substitute(host: string, header: string, text: string): Substituted {
    return this.placeholders.substitute(host, header, text);
  }

  mask(): RedactedStream {
    return this.redactor.stream((length) => Buffer.alloc(length, "*"));
  }

  /** The value as it is stored now: one that was replaced is not sent again, one that was removed or bound elsewhere not at all. */
  private value(name: string, host: string, header: string): string {
    const stored = this.store.find(name);
    const mayStand = stored?.header == null || stored.header.toLowerCase() === header.toLowerCase();
    if (stored !== undefined && mayStand && stored.hosts.some((pattern) => covers(pattern, host)))
      return this.store.value(name);
    throw new PermanentError({
      code: "SECRET_DAMAGED",
      message: `Cannot use secret "${name}": it is not stored for this host any more`,
    });
  }
}
