import type { Hash } from "node:crypto";
import {
  argvDigest,
  envelopeText,
  receiptStatement,
  sha256,
  signStatement,
  type ReceiptPredicate,
  type RunOutcome,
} from "@mvm/evidence";
import { isSandboxError, newId, PolicyDenied, type CodeResultDocument, type CommandResult } from "@mvm/protocol";
import type { CommandSpec } from "../commands/spec.js";
import { accelOf, isolationOf } from "../sandboxes/info.js";
import type { Plan } from "../admission/plan.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import type { Begun } from "./evidence.js";

type Recorder = Pick<Services, "evidence" | "receipts" | "log">;

/** A run whose begin is in the audit log: there is no other way to start a command. */
export interface RunRecord {
  readonly runId: string;
  readonly begun: Begun;
  readonly invocation: ReceiptPredicate["invocation"];
  readonly startedAt: Date;
}

/** What ran, as far as its record goes: SHA-256 of all it has written. */
interface Output {
  readonly digests: { readonly stdout: Hash; readonly stderr: Hash };
}

/** What is recorded of a result. */
interface RunFacts extends Pick<
  CommandResult,
  "signal" | "oomKilled" | "durationMs" | "stdoutBytes" | "stderrBytes" | "stdoutTruncated" | "stderrTruncated"
> {
  /** Null for code whose interpreter goes on. */
  readonly exitCode: number | null;
}

/** How a run ended, for its entry and its receipt. */
interface RunEnd {
  readonly outcome: RunOutcome;
  readonly result: RunFacts | null;
  readonly stdoutSha256: string;
  readonly stderrSha256: string;
  /** Code of the error, when there is no result or not only one. */
  readonly code: string | null;
}

const nothing = sha256("");

/**
 * Announces a command. Durable when it resolves.
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: the command must not be started
 */
export async function beginRun(
  { evidence }: Recorder,
  sandbox: Sandbox,
  spec: Pick<CommandSpec, "argv" | "env">,
): Promise<RunRecord> {
  const runId = newId("run");
  const invocation = invocationOf(spec, evidence.keys.argv, sandbox.plan);
  const begun = await evidence.begin("run", {
    tenant: sandbox.plan.tenant,
    sandboxId: sandbox.id,
    runId,
    data: {
      ...invocation,
      image: sandbox.image.digest,
      plan_sha256: sandbox.planSha256,
      profile: sandbox.plan.profile,
    },
  });
  return { runId, begun, invocation, startedAt: new Date() };
}

/** Records a result and signs its receipt. Never rejects. @returns the result with what proves it */
export async function endRun(
  recorder: Recorder,
  sandbox: Sandbox,
  record: RunRecord,
  output: Output,
  result: CommandResult,
): Promise<CommandResult> {
  const outcome = result.timedOut ? "timed_out" : "completed";
  const receipt = await finish(recorder, sandbox, record, { ...digestsOf(output), outcome, result, code: null });
  return { ...result, auditId: record.begun.id, receipt };
}

/** As {@link endRun}, for code of a context. */
export async function endCodeRun(
  recorder: Recorder,
  sandbox: Sandbox,
  record: RunRecord,
  output: Output,
  document: CodeResultDocument,
): Promise<CodeResultDocument> {
  const { context_ended: ended } = document;
  const outcome = document.timed_out
    ? "timed_out"
    : ended === "lost"
      ? "lost"
      : ended === "not_started"
        ? "failed"
        : "completed";
  const result: RunFacts = {
    ...{ exitCode: document.exit_code, signal: document.signal, oomKilled: document.oom_killed },
    ...{ durationMs: document.duration_ms, stdoutBytes: document.stdout_bytes, stderrBytes: document.stderr_bytes },
    ...{ stdoutTruncated: document.stdout_truncated, stderrTruncated: document.stderr_truncated },
  };
  const receipt = await finish(recorder, sandbox, record, { ...digestsOf(output), outcome, result, code: null });
  return { ...document, audit_id: record.begun.id, receipt_path: receipt };
}

/** Records a run whose end nobody knows, or that never began. Names its entry in the error. */
export async function failRun(
  recorder: Recorder,
  sandbox: Sandbox,
  record: RunRecord,
  error: unknown,
  output: Output | null,
  result: CommandResult | null = null,
): Promise<void> {
  const { code, outcome } = isSandboxError(error) ? error : { code: "INTERNAL", outcome: "unknown" };
  const how = result?.timedOut === true ? "timed_out" : outcome === "not_started" ? "failed" : "lost";
  const digests = output === null ? { stdoutSha256: nothing, stderrSha256: nothing } : digestsOf(output);
  await finish(recorder, sandbox, record, { ...digests, outcome: how, result, code });
  nameIn(error, record.runId, record.begun.id);
}

/** Records a run that was refused before there was a sandbox, and signs its receipt. Never rejects. */
export async function refuseRun(
  recorder: Recorder,
  spec: CommandSpec,
  error: unknown,
  tenant: string = recorder.evidence.tenant,
): Promise<void> {
  const { evidence, log } = recorder;
  if (!isSandboxError(error) || error.code === "AUDIT_UNAVAILABLE") return;
  const runId = newId("run");
  const denied = error instanceof PolicyDenied;
  const planHash = error.context["plan_sha256"];
  const plan = typeof planHash === "string" ? planHash : null;
  const rule = denied ? (error.rule ?? error.code) : null;
  try {
    const data = { code: error.code, rule, plan_sha256: plan };
    const begun = await evidence.record(denied ? "run.denied" : "run.failed", { tenant, runId, data });
    const invocation = invocationOf(spec, evidence.keys.argv, { env: {}, mounts: [] });
    const record = { runId, begun, invocation, startedAt: new Date() };
    const outcome = denied ? "denied" : "failed";
    const end = { outcome, result: null, code: error.code, stdoutSha256: nothing, stderrSha256: nothing } as const;
    storeReceipt(recorder, null, record, end, plan);
    nameIn(error, runId, begun.id);
  } catch (missing) {
    log.error({ err: (missing as Error).message }, "a refusal is missing in the audit log");
  }
}

async function finish(recorder: Recorder, sandbox: Sandbox, record: RunRecord, end: RunEnd): Promise<string | null> {
  const { result } = end;
  const receipt = storeReceipt(recorder, sandbox, record, end, sandbox.planSha256);
  await recorder.evidence.end(record.begun, {
    outcome: end.outcome,
    code: end.code,
    exit_code: result?.exitCode ?? null,
    signal: result?.signal ?? null,
    oom_killed: result?.oomKilled ?? null,
    duration_ms: result?.durationMs ?? null,
    stdout_bytes: result?.stdoutBytes ?? 0,
    stderr_bytes: result?.stderrBytes ?? 0,
    stdout_sha256: end.stdoutSha256,
    stderr_sha256: end.stderrSha256,
    receipt_sha256: receipt?.sha256 ?? null,
  });
  return receipt?.path ?? null;
}

/** A receipt that cannot be stored costs nobody a result: the log says that it is missing. */
function storeReceipt(
  { evidence, receipts, log }: Recorder,
  sandbox: Sandbox | null,
  record: RunRecord,
  end: RunEnd,
  planHash: string | null,
): { readonly path: string; readonly sha256: string } | null {
  try {
    const tenant = record.begun.about.tenant ?? evidence.tenant;
    const predicate = predicateOf(tenant, sandbox, record, end, planHash);
    const text = envelopeText(signStatement(receiptStatement(end, predicate), evidence.keys.receipt));
    return { path: receipts.write(tenant, record.runId, text), sha256: sha256(text) };
  } catch (error) {
    log.error({ run: record.runId, err: (error as Error).message }, "a run has no receipt");
    return null;
  }
}

function predicateOf(
  tenant: string,
  sandbox: Sandbox | null,
  record: RunRecord,
  { outcome, result }: RunEnd,
  planHash: string | null,
): ReceiptPredicate {
  const { runId, begun, invocation, startedAt } = record;
  const finishedAt = new Date();
  const accel = sandbox?.identity?.accel;
  return {
    ...{ schema_version: 1, run_id: runId, audit_id: begun.id, audit_seq: begun.seq, tenant },
    ...{ started_at: startedAt.toISOString(), finished_at: finishedAt.toISOString(), plan_sha256: planHash },
    policy: { profile: sandbox?.plan.profile ?? null, sha256: sandbox?.policySha256 ?? null },
    image: { name: sandbox?.image.name ?? null, digest: sandbox?.image.digest ?? null },
    isolation: {
      backend: sandbox?.plan.backend ?? null,
      accel: accel ?? (sandbox === null ? null : accelOf(sandbox)),
      isolation: accel === undefined ? "none" : isolationOf(accel),
    },
    observed: {
      outcome,
      duration_ms: result?.durationMs ?? Math.max(0, finishedAt.getTime() - startedAt.getTime()),
      timed_out: outcome === "timed_out",
      stdout_bytes: result?.stdoutBytes ?? 0,
      stderr_bytes: result?.stderrBytes ?? 0,
      stdout_truncated: result?.stdoutTruncated ?? false,
      stderr_truncated: result?.stderrTruncated ?? false,
    },
    claimed_by_guest: {
      exit_code: result?.exitCode ?? null,
      signal: result?.signal ?? null,
      oom_killed: result?.oomKilled ?? null,
    },
    invocation,
  };
}

function invocationOf(
  { argv, env }: Pick<CommandSpec, "argv" | "env">,
  key: Buffer,
  sandbox: Pick<Plan, "env" | "mounts">,
): ReceiptPredicate["invocation"] {
  const envCount = Object.keys(env).length + Object.keys(sandbox.env).length;
  const { length: mounts } = sandbox.mounts;
  return { argv_len: argv.length, argv_hmac_sha256: argvDigest(argv, key), env_count: envCount, mounts };
}

function digestsOf({ digests }: Output): Pick<RunEnd, "stdoutSha256" | "stderrSha256"> {
  return { stdoutSha256: digests.stdout.copy().digest("hex"), stderrSha256: digests.stderr.copy().digest("hex") };
}

/** The entry of a run is where to look for what happened. */
function nameIn(error: unknown, runId: string, auditId: string): void {
  if (!isSandboxError(error)) return;
  const named = error as { runId: string | null; auditId: string | null };
  named.runId ??= runId;
  named.auditId ??= auditId;
}
