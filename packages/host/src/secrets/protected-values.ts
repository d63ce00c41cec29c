import { PermanentError, type ErrorDocument } from "@mvm/protocol";
import { Redactor } from "../logs/redact.js";
import { shortestSecretBytes, type SecretStore } from "./secret-store.js";

/** Fields of an error that programs decide by; they hold names of the error table and ids. */
const vocabulary = ["name", "code", "boundary", "retry", "outcome", "operation", "sandbox_id", "run_id", "audit_id"];

/**
 * Every value of the secret store that this daemon has seen, so that none of them is in what the daemon itself says: its log
 * and its errors. What a sandbox says is cleaned of the values it was given, by the sandbox's own redactor. A value that is
 * replaced or removed stays protected until the daemon ends.
 */
export class ProtectedValues {
  private readonly redactor = new Redactor();

  add(values: readonly string[]): void {
    // A shorter one is refused by the store, and would be found everywhere.
    this.redactor.protect(values.filter((value) => Buffer.byteLength(value) >= shortestSecretBytes));
  }

  /** Protects what is stored. Returns the names of secrets whose value nobody can read, and so nobody can give away. */
  addStored(store: SecretStore): string[] {
    const unreadable: string[] = [];
    for (const { name } of store.list()) {
      try {
        this.add([store.value(name)]);
      } catch {
        unreadable.push(name);
      }
    }
    return unreadable;
  }

  /** @throws {Error} the text could not be cleaned: it must not be passed on */
  text(text: string): string {
    return this.redactor.text(text);
  }

  /** An error document without protected values; one that cannot be cleaned becomes an error that says only that. */
  document(document: ErrorDocument): ErrorDocument {
    try {
      const fields = Object.entries(document.error).map(([field, value]) => {
        return [field, vocabulary.includes(field) ? value : this.clean(value)];
      });
      return { ...document, error: Object.fromEntries(fields) as ErrorDocument["error"] };
    } catch {
      const { run_id: runId, audit_id: auditId, outcome } = document.error;
      return new PermanentError({
        code: "REDACTION_FAILED",
        message: "Cannot say what went wrong: secrets could not be taken out of the message",
        ...{ runId, auditId, outcome },
      }).toDocument();
    }
  }

  /** String by string: what is between them is JSON's, and no value's. */
  private clean(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((each: unknown) => this.clean(each));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [this.text(key), this.clean(each)]));
  }
}
