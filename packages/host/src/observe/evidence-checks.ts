import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { evidenceLayout, headName, isTenant, logName, readPublicKeys, verifyChain } from "@mvm/evidence";
import type { Check } from "@mvm/protocol";
import type { Services } from "../sandboxes/services.js";

/** What is verified on the way, all tenants together: about a second of a core. Bytes. */
const verifiedBytes = 24 * 1024 * 1024;

/**
 * Whether the history can be written and is what was written, in every tenant's chain, and who signs it. What is too long to be
 * verified here is a warning that names it: nothing is called whole that was not looked at.
 */
export async function auditCheck({ evidence, home }: Services): Promise<Check> {
  const { tenant } = evidence;
  const { audit, keys, lock } = evidenceLayout(home.root);
  const check = (status: Check["status"], detail: string, fix: string | null): Check => ({
    ...{ name: "audit", status, detail, fix },
  });
  const fail = (detail: string): Check =>
    check(
      "fail",
      detail,
      "`mvmctl audit verify` names the place; what was recorded so far can be moved away to begin anew",
    );
  try {
    const { entries, keyId } = await evidence.state();
    const modes = [logName, headName].map((file) => `${file} mode ${modeOf(join(audit, tenant, file))}`);
    const facts = `tenant ${tenant}, last entry ${entries}, signed by ${keyId}, ${modes.join(", ")}`;
    const { current: key } = readPublicKeys(keys, "audit");
    if (key === null) return fail(`its public key is gone; ${facts}`);
    const others = tenantsOf(audit).filter((name) => name !== tenant);
    const skipped: string[] = [];
    let left = verifiedBytes;
    for (const name of [tenant, ...others]) {
      const directory = join(audit, name);
      left -= bytesOf(directory);
      if (left < 0) {
        skipped.push(name);
        continue;
      }
      const verdict = await verifyChain({ directory, tenant: name, key, lock });
      if (!verdict.ok) return fail(`tenant ${name}: ${verdict.detail} (${verdict.reason})`);
    }
    const shown = others.length === 0 ? facts : `${facts}; ${others.length} more tenants`;
    if (skipped.length === 0) return check("ok", `whole and unchanged, ${shown}`, null);
    const named = skipped.slice(0, 5).join(", ");
    const fix = `Verify it whole: mvmctl audit verify --tenant ${skipped[0] ?? tenant}`;
    return check("warn", `${shown}; too long to be verified here: ${skipped.length} (${named})`, fix);
  } catch (error) {
    return fail((error as Error).message);
  }
}

function tenantsOf(audit: string): string[] {
  return readdirSync(audit, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isTenant(entry.name))
    .map(({ name }) => name)
    .sort();
}

function bytesOf(directory: string): number {
  const logs = readdirSync(directory).filter((name) => name.endsWith(".jsonl"));
  return logs.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
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
