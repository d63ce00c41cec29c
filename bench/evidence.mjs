import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import {
  AuditLog,
  argvDigest,
  envelopeText,
  evidenceLayout,
  openSigningKey,
  readPublicKeys,
  receiptStatement,
  sha256,
  signStatement,
  verifyChain,
} from "@mvm/evidence";
import { Admitted } from "../packages/host/dist/admission/admit.js";
import { hostCeilings } from "../packages/host/dist/admission/ceilings.js";
import { planOf } from "../packages/host/dist/admission/plan.js";
import { ReceiptStore } from "../packages/host/dist/evidence/receipts.js";
import { createLog } from "../packages/host/dist/observe/log.js";
import { PolicyStore } from "../packages/host/dist/policy/policy-store.js";
import { median, ms, p95 } from "./stats.mjs";

const decisions = 500;
const commands = 200;
const entries = 20_000;
/** Appends on their way at once, as many clients make them. */
const together = 256;
const actor = { uid: 0, pid: 1 };
const tenant = "local";

/** What a decision and a proof cost, without any machine: the policy engine, the audit log and the receipts on this disk. */
export async function measureEvidence() {
  const home = mkdtempSync(join(tmpdir(), "mvm-bench-"));
  try {
    const admission = await timesOf(decisions, await decider(home));
    const log = await AuditLog.open(home);
    const proof = await timesOf(commands, prover(home, log));
    const appendMs = await flood(log);
    await log.close();
    const { audit, keys } = evidenceLayout(home);
    const began = performance.now();
    const chain = { directory: join(audit, tenant), tenant, key: readPublicKeys(keys, "audit").current };
    const verdict = await verifyChain(chain);
    const verifyMs = performance.now() - began;
    if (!("entries" in verdict)) throw new Error("the chain that was just written does not verify");
    const rate = (count, spent) => `${Math.round((count * 1000) / spent)} entries/s`;
    const million = (verifyMs * 1e6) / verdict.entries;
    return [
      ["admission of a plain create", `${ms(median(admission))} (p95 ${ms(p95(admission))})`, "", "", true],
      ["audit and receipt of a command", ms(median(proof)), `p95 ${ms(p95(proof))}`, "≤ 3 ms", median(proof) <= 3],
      [
        `durable appends, ${together} at once`,
        rate(entries, appendMs),
        "",
        "≥ 2 000/s",
        (entries * 1000) / appendMs >= 2000,
      ],
      [
        "verification of the log",
        rate(verdict.entries, verifyMs),
        `a million in ${(million / 1000).toFixed(1)} s`,
        "≤ 10 s",
        million <= 10_000,
      ],
    ];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function timesOf(rounds, work) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    await work(round);
    times.push(performance.now() - began);
  }
  // The first rounds warm compilers up.
  return times.slice(rounds / 10);
}

/** A decision as a create gets it: the operator's files looked at, the plan made, hashed and asked about. */
async function decider(home) {
  /** @type {any} Nothing is started: what would start it is only passed on. */
  const noBackend = {};
  const host = hostCeilings({ cpus: availableParallelism(), memoryMb: Math.floor(totalmem() / 1024 ** 2) });
  const log = createLog({ write: () => undefined });
  const store = new PolicyStore({ directories: [join(home, "policy"), "/etc/mvm/policy"], host, log });
  await store.current();
  return async () => {
    const world = { backends: [], sandboxes: 0, acknowledgedPermissive: false };
    const names = { secret: () => undefined, digestOf: async () => null, directory: async (host) => host };
    const facts = { ...world, ...names, policy: await store.current() };
    Admitted.decide(planOf({ profile: "restrictive" }, `sha256:${"0".repeat(64)}`), noBackend, facts);
  };
}

/** What a command's record costs: two durable entries and a signed receipt. */
function prover(home, log) {
  const key = openSigningKey(evidenceLayout(home).keys, "receipt");
  const receipts = new ReceiptStore(join(home, "receipts"));
  const nothing = sha256("");
  return async (round) => {
    const runId = `run_${String(round).padStart(26, "0")}`;
    const begun = await log.append(tenant, { event: "run.begin", actor, runId, data: { plan_sha256: nothing } });
    const time = new Date().toISOString();
    const statement = receiptStatement(
      { stdoutSha256: nothing, stderrSha256: nothing },
      {
        ...{ schema_version: 1, run_id: runId, audit_id: begun.id, audit_seq: begun.seq, tenant },
        ...{ started_at: time, finished_at: time, plan_sha256: nothing },
        policy: { profile: "restrictive", sha256: nothing },
        image: { name: "python", digest: null },
        isolation: { backend: "qemu", accel: "tcg", isolation: "emulated" },
        observed: {
          ...{ outcome: "completed", duration_ms: 1, timed_out: false, stdout_bytes: 0, stderr_bytes: 0 },
          ...{ stdout_truncated: false, stderr_truncated: false },
        },
        claimed_by_guest: { exit_code: 0, signal: null, oom_killed: false },
        invocation: { argv_len: 1, argv_hmac_sha256: argvDigest(["true"], Buffer.alloc(32)), env_count: 0, mounts: 0 },
      },
    );
    const text = envelopeText(signStatement(statement, key));
    receipts.write(tenant, runId, text);
    await log.append(tenant, {
      event: "run.end",
      actor,
      runId,
      data: { begin: begun.id, receipt_sha256: sha256(text) },
    });
  };
}

/** Milliseconds for all entries, with as many on their way at once as there are clients. */
async function flood(log) {
  const began = performance.now();
  let left = entries;
  const client = async () => {
    while (left-- > 0) await log.append(tenant, { event: "test.note", actor, data: { left } });
  };
  await Promise.all(Array.from({ length: together }, client));
  return performance.now() - began;
}
