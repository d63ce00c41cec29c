import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  evidenceLayout,
  readPublicKeys,
  verifyChain,
  verifyReceipt,
  type ChainVerdict,
  type Entry,
} from "@mvm/evidence";
import type { ReceiptStatement } from "@mvm/evidence";

/** The evidence of a state root, read from its files as an auditor would. */
export class RecordedHome {
  readonly layout;
  readonly directory: string;

  constructor(
    readonly home: string,
    readonly tenant = "local",
  ) {
    this.layout = evidenceLayout(home);
    this.directory = join(this.layout.audit, tenant);
  }

  entries(): Entry[] {
    const log = join(this.directory, "log.jsonl");
    if (!existsSync(log)) return [];
    return readFileSync(log, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Entry);
  }

  events(): string[] {
    return this.entries().map(({ event }) => event);
  }

  find(event: string): Entry {
    const entry = this.entries().findLast((each) => each.event === event);
    if (entry === undefined) throw new Error(`no entry ${event} among ${this.events().join(", ")}`);
    return entry;
  }

  verify(): Promise<ChainVerdict> {
    const key = readPublicKeys(this.layout.keys, "audit").current!;
    return verifyChain({ directory: this.directory, tenant: this.tenant, key, lock: this.layout.lock });
  }

  /** The statement of a stored receipt that verifies. */
  receipt(path: string): ReceiptStatement {
    const key = readPublicKeys(this.layout.keys, "receipt").current!;
    const verdict = verifyReceipt(readFileSync(path), [key]);
    if (!verdict.ok) throw new Error(`${verdict.reason}: ${verdict.detail}`);
    return verdict.statement;
  }

  receiptPaths(): string[] {
    const at = join(this.home, "receipts", this.tenant);
    return existsSync(at) ? readdirSync(at).map((name) => join(at, name)) : [];
  }
}
