import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { evidenceLayout, headName, logName, readPublicKeys, verifyChain } from "@mvm/evidence";
import type { Check } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";

/** Most entries that are verified on the way: about a second of a core. */
const verifiedEntries = 50_000;

/** Whether the history can be written and is what was written, and who signs it. */
export async function auditCheck({ evidence, home }: Services): Promise<Check> {
  const { tenant } = evidence;
  const { audit, keys, lock } = evidenceLayout(home.root);
  const directory = join(audit, tenant);
  const fail = (detail: string): Check => {
    const fix = "`mvmctl audit verify` names the place; what was recorded so far can be moved away to begin anew";
    return { name: "audit", status: "fail", detail, fix };
  };
  try {
    const { entries, keyId } = await evidence.state();
    const modes = [logName, headName].map((file) => `${file} mode ${modeOf(join(directory, file))}`);
    const facts = `tenant ${tenant}, last entry ${entries}, signed by ${keyId}, ${modes.join(", ")}`;
    const { current: key } = readPublicKeys(keys, "audit");
    if (key === null) return fail(`its public key is gone; ${facts}`);
    if (entries > verifiedEntries) return ok("audit", `${facts}; too long to be verified here`);
    const verdict = await verifyChain({ directory, tenant, key, lock });
    return verdict.ok ? ok("audit", `whole and unchanged, ${facts}`) : fail(`${verdict.detail} (${verdict.reason})`);
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** Which key signs receipts, and how many are kept. */
export function receiptCheck({ evidence, home }: Services): Check {
  try {
    const { id } = evidence.keys.receipt;
    return ok("receipts", `signed by ${id}, ${countOf(join(home.receipts, evidence.tenant))} kept`);
  } catch (error) {
    const fix = "Mend or move away the file that is named, and start the daemon anew";
    return { name: "receipts", status: "fail", detail: (error as Error).message, fix };
  }
}

function ok(name: string, detail: string): Check {
  return { name, status: "ok", detail, fix: null };
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8).padStart(4, "0");
}

function countOf(directory: string): number {
  try {
    return readdirSync(directory).length;
  } catch {
    return 0;
  }
}
