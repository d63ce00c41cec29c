import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CommandResultDocument } from "@mvm/protocol";
import { isSandboxError } from "@mvm/protocol/errors";
import type { Context } from "../output/context.js";

/**
 * Runs something whose receipt the user wants in a file of his own. The file is made before anything runs, so that a place
 * that cannot be written to costs no run; a refused run has its receipt too. Without a path it only runs.
 */
export async function withReceipt(
  path: string | undefined,
  context: Context,
  work: () => Promise<CommandResultDocument>,
): Promise<CommandResultDocument> {
  if (path === undefined) return work();
  // Loaded for those who ask: a plain run starts without them.
  const { ReceiptFile } = await import("@mvm/evidence");
  const { resolveHome } = await import("@mvm/sdk/client");
  const target = resolve(path);
  const file = ReceiptFile.create(target);
  let open = true;
  const settle = (stored: string | null): boolean => {
    const text = stored === null ? undefined : textOf(stored);
    if (!open) return false;
    open = false;
    if (text === undefined) file.discard();
    else file.write(text);
    return text !== undefined;
  };
  // Interrupted: an empty file would look like a receipt.
  process.once("exit", () => settle(null));
  try {
    const result = await work();
    const written = settle(result.receipt_path);
    if (!written) await context.out.note("the run has no receipt");
    return { ...result, receipt_path: written ? target : null };
  } catch (error) {
    const runId = isSandboxError(error) ? error.runId : null;
    settle(runId === null ? null : storedReceipt(join(resolveHome(), "receipts"), `${runId}.json`));
    throw error;
  }
}

/** Where the daemon put it: below its tenant, which the error does not name. */
function storedReceipt(receipts: string, name: string): string | null {
  const tenants = existsSync(receipts) ? readdirSync(receipts) : [];
  return tenants.map((tenant) => join(receipts, tenant, name)).find((path) => existsSync(path)) ?? null;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
