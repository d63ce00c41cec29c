import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { SnapshotError } from "@mvm/protocol";
import { writeFileAtomic } from "../store/atomic.js";
import { stableJson } from "../store/stable-json.js";

/** Bytes of the key. */
const keyBytes = 32;

/** Seals records with a key only this state root has: HMAC-SHA256 over their canonical JSON. */
export interface Sealer {
  /** The record with its `seal` added. */
  seal<T extends object>(record: T): T & { seal: string };
  /** Whether the seal is this key's and the record is as it was sealed. */
  check(record: object): boolean;
}

/** Opens the key, or makes it on first use. @throws {SnapshotError} others could have read or written it */
export function openSealer(keyPath: string): Sealer {
  const key = readKey(keyPath) ?? makeKey(keyPath);
  const mac = (record: object): Buffer => createHmac("sha256", key).update(stableJson(record)).digest();
  return {
    seal: (record) => ({ ...record, seal: mac(record).toString("hex") }),
    check(record) {
      const { seal, ...rest } = record as { seal?: unknown };
      if (typeof seal !== "string" || !/^[0-9a-f]{64}$/.test(seal)) return false;
      return timingSafeEqual(mac(rest), Buffer.from(seal, "hex"));
    },
  };
}

function readKey(path: string): Buffer | undefined {
  try {
    const at = lstatSync(path);
    if (!at.isFile() || (at.mode & 0o077) !== 0 || at.uid !== process.geteuid?.() || at.size !== keyBytes) {
      throw new SnapshotError({
        message: "Cannot use the key that seals snapshots: it is not a private file of this user",
        hint: "Restore keys/snapshot.key of the state root from a backup with mode 0600",
        outcome: "not_started",
      });
    }
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function makeKey(path: string): Buffer {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const key = randomBytes(keyBytes);
  // Whole or not there: half a key would never be accepted again.
  writeFileAtomic(path, key, { durable: true });
  return key;
}
