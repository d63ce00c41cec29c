import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Receipts that are kept of one tenant; the oldest go first, whenever a daemon starts. */
const keptReceipts = 20_000;

/** Where every run's receipt lies: `receipts/<tenant>/<run id>.json`, 0600. */
export class ReceiptStore {
  constructor(private readonly root: string) {}

  path(tenant: string, runId: string): string {
    return join(this.root, tenant, `${runId}.json`);
  }

  /** Writes a receipt; there is one for a run, and it is never written again. */
  write(tenant: string, runId: string, text: string): string {
    const path = this.path(tenant, runId);
    const fd = this.create(tenant, path);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    return path;
  }

  /** Removes what is beyond the number that is kept. Run ids sort by time. */
  prune(): void {
    for (const tenant of list(this.root)) {
      const names = list(join(this.root, tenant)).sort();
      for (const name of names.slice(0, Math.max(0, names.length - keptReceipts))) {
        rmSync(join(this.root, tenant, name), { force: true });
      }
    }
  }

  private create(tenant: string, path: string): number {
    try {
      return openSync(path, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      mkdirSync(join(this.root, tenant), { recursive: true, mode: 0o700 });
      return openSync(path, "wx", 0o600);
    }
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
