import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { VmConfigError } from "@mvm/protocol";
import { writeFileAtomic } from "../store/atomic.js";
import type { SecretKey } from "./sealed.js";

const RingSchema = Type.Object(
  {
    v: Type.Literal(1),
    current: Type.String(),
    keys: Type.Record(Type.String(), Type.String({ pattern: "^[0-9a-f]{64}$" }), { maxProperties: 16 }),
  },
  { additionalProperties: false },
);
type Ring = Static<typeof RingSchema>;

/**
 * The keys of the secret store: one that encrypts, and during a rotation those it takes over from. `keys/secrets.json` of the
 * state root, 0600.
 */
export class KeyRing {
  constructor(private readonly path: string) {}

  /** The key new values are encrypted with; made on first use. @throws {VmConfigError} others could have read the file */
  current(): SecretKey {
    const ring = this.read() ?? this.write(withNewKey({ v: 1, current: "", keys: {} }));
    return keyOf(ring, ring.current) as SecretKey;
  }

  find(id: string): SecretKey | undefined {
    const ring = this.read();
    return ring && keyOf(ring, id);
  }

  /** Makes another key the current one; the others stay until {@link retire}. */
  renew(): SecretKey {
    this.write(withNewKey(this.read() ?? { v: 1, current: "", keys: {} }));
    return this.current();
  }

  /** Forgets every key but the current one: nothing is encrypted with them any more. */
  retire(): void {
    const { id, bytes } = this.current();
    this.write({ v: 1, current: id, keys: { [id]: bytes.toString("hex") } });
  }

  private write(ring: Ring): Ring {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    writeFileAtomic(this.path, JSON.stringify(ring), { durable: true });
    return ring;
  }

  private read(): Ring | undefined {
    let value: unknown;
    try {
      const at = lstatSync(this.path);
      if (!at.isFile() || (at.mode & 0o077) !== 0 || at.uid !== process.geteuid?.()) throw this.unusable();
      value = JSON.parse(readFileSync(this.path, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error instanceof VmConfigError ? error : this.unusable();
    }
    if (Value.Check(RingSchema, value) && Object.hasOwn(value.keys, value.current)) return value;
    throw this.unusable();
  }

  private unusable(): VmConfigError {
    return new VmConfigError({
      message: "Cannot use the keys of the secret store: their file is not a private, whole file of this user",
      hint: "Restore keys/secrets.json of the state root from a backup with mode 0600",
    });
  }
}

function withNewKey({ keys }: Ring): Ring {
  const id = randomBytes(8).toString("hex");
  return { v: 1, current: id, keys: { ...keys, [id]: randomBytes(32).toString("hex") } };
}

function keyOf(ring: Ring, id: string): SecretKey | undefined {
  const hex = Object.hasOwn(ring.keys, id) ? ring.keys[id] : undefined;
  return hex === undefined ? undefined : { id, bytes: Buffer.from(hex, "hex") };
}
