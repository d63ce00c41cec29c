import { invalid, type SecretRefDocument } from "@mvm/protocol";

/** Where a secret may go, narrower than its own binding. */
export interface SecretRefOptions {
  /** Hosts whose requests get the value. */
  readonly hosts?: readonly string[];
  /** Header that gets it; default: wherever the placeholder stands. */
  readonly header?: string;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/**
 * A secret of the daemon's store, by its name. The guest sees a placeholder; the value is put into requests to the hosts
 * the secret is bound to, outside of the guest. This object never holds a value.
 */
export class SecretRef {
  readonly name: string;
  readonly hosts: readonly string[] | undefined;
  readonly header: string | undefined;

  private constructor(name: string, options: SecretRefOptions) {
    if (typeof name !== "string" || !namePattern.test(name)) {
      throw invalid(
        "secret name",
        name,
        'up to 128 letters, digits, "_", "." or "-"',
        "Store it with `mvmctl secret put NAME`",
      );
    }
    this.name = name;
    this.hosts = options.hosts;
    this.header = options.header;
  }

  /** Refers to the secret stored under that name. */
  static from(name: string, options: SecretRefOptions = {}): SecretRef {
    return new SecretRef(name, options);
  }

  /** The plain document that crosses to the daemon. */
  toJSON(): SecretRefDocument {
    return {
      secret: this.name,
      ...(this.hosts !== undefined && { hosts: [...this.hosts] }),
      ...(this.header !== undefined && { header: this.header }),
    };
  }
}
