import { closeSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { InvalidArgumentError } from "@mvm/protocol";
import { systemReason, cannotRecord } from "../errors.js";
import { openSigningKey, readPublicKeys, type SigningKey } from "../keys/key-files.js";
import { evidenceLayout } from "../layout.js";
import { realDisk, type Disk } from "./disk.js";
import type { EntryFacts } from "./entry.js";
import { takeLock } from "./lock.js";
import { isTenant } from "./tenant.js";
import { ChainWriter, lackedRoom, type Appended } from "./writer.js";

export interface AuditLogOptions {
  readonly disk?: Disk;
  readonly segmentBytes?: number;
  /** How long to wait for another process that writes this root's history. Seconds. */
  readonly waitSeconds?: number;
}

/** How far a chain is. */
export interface ChainState {
  /** The last entry's number; 0 for none. */
  readonly entries: number;
  readonly keyId: string;
}

/** Every chain of a state root, for the one process that writes them. Tenants are separate chains. */
export class AuditLog {
  private closed = false;
  private readonly chains = new Map<string, Promise<ChainWriter>>();

  private constructor(
    private readonly audit: string,
    private readonly keys: string,
    private readonly lock: number,
    private readonly key: SigningKey,
    private readonly options: AuditLogOptions,
  ) {}

  /**
   * Takes the lock, opens the key and brings every chain that exists in order. A chain that cannot be brought in order
   * refuses its own tenant's entries and no other's.
   * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: another process writes, or the directory cannot be used
   * @throws {VmConfigError} the key cannot be used
   */
  static async open(home: string, options: AuditLogOptions = {}): Promise<AuditLog> {
    const { audit, lock, keys } = evidenceLayout(home);
    try {
      mkdirSync(audit, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw cannotRecord(`the directory "${audit}": ${systemReason(error)}`, error);
    }
    const held = takeLock(lock, options.waitSeconds ?? 0);
    try {
      const log = new AuditLog(audit, keys, held, openSigningKey(keys, "audit"), options);
      await Promise.allSettled(
        readdirSync(audit)
          .filter(isTenant)
          .map((tenant) => log.chain(tenant)),
      );
      return log;
    } catch (error) {
      closeSync(held);
      throw error;
    }
  }

  /** See {@link ChainWriter.append}. */
  async append(tenant: string, facts: EntryFacts, options: { readonly reserved?: boolean } = {}): Promise<Appended> {
    return (await this.chain(tenant)).append(facts, options);
  }

  /** Why a tenant's chain cannot be appended to; null when it can. */
  async problem(tenant: string): Promise<Error | null> {
    try {
      return (await this.chain(tenant)).problem;
    } catch (error) {
      return error as Error;
    }
  }

  /** Entries of a tenant's chain, and the key that signs it. */
  async state(tenant: string): Promise<ChainState> {
    return { entries: (await this.chain(tenant)).size, keyId: this.key.id };
  }

  /** Waits for what is on its way, closes the chains and gives the lock back. Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const chain of await Promise.allSettled(this.chains.values())) {
      if (chain.status === "fulfilled") await chain.value.close();
    }
    closeSync(this.lock);
  }

  private chain(tenant: string): Promise<ChainWriter> {
    let chain = this.chains.get(tenant);
    if (chain === undefined) {
      if (!isTenant(tenant)) {
        throw new InvalidArgumentError({
          message: `Cannot record for tenant ${JSON.stringify(tenant.slice(0, 80))}: it is not a tenant's name`,
          hint: "A tenant's name is 1 to 63 letters, digits, - or _, and begins with a letter or digit",
        });
      }
      chain = ChainWriter.open({
        directory: join(this.audit, tenant),
        tenant,
        key: this.key,
        oldKeys: readPublicKeys(this.keys, "audit").old,
        keys: this.keys,
        disk: this.options.disk ?? realDisk,
        self: { uid: process.geteuid?.() ?? -1, pid: process.pid },
        ...(this.options.segmentBytes !== undefined && { segmentBytes: this.options.segmentBytes }),
      });
      this.chains.set(tenant, chain);
      // What a full disk kept from being opened is opened by the next append that finds room.
      chain.catch((error: unknown) => lackedRoom(error) && this.chains.delete(tenant));
    }
    return chain;
  }
}
