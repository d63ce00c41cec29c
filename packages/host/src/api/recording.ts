import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isTenant, type ErrorDocument, type SandboxError } from "@mvm/protocol";
import { recordedCalls, type CallRow } from "../evidence/calls.js";
import type { Begun, Evidence } from "../evidence/evidence.js";
import type { Registry } from "../sandboxes/registry.js";
import type { ProtectedValues } from "../secrets/protected-values.js";

/** The entry of one call that changes state. */
export class Recording {
  /** Code of the error the call ended with. */
  code: string | null = null;
  private over = false;

  constructor(
    private readonly evidence: Evidence,
    private readonly begun: Begun,
  ) {}

  get auditId(): string {
    return this.begun.id;
  }

  /** The call has done what it announced; what else its connection carries is no part of it. */
  created(sandboxId: string): void {
    this.end(200, { sandboxId });
  }

  end(status: number, about: { sandboxId?: string } = {}): void {
    if (this.over) return;
    this.over = true;
    void this.evidence.end(this.begun, { status, code: this.code }, about);
  }
}

/**
 * Puts every call that changes state into the audit log before its handler runs, by the table of `evidence/calls.ts`. What
 * a request holds is not recorded: which call, about which sandbox, and how it ended.
 */
export function installRecording(app: FastifyInstance, evidence: Evidence, registry: Registry): void {
  app.decorateRequest("recording", null);
  app.addHook("preHandler", async (request: FastifyRequest, reply: FastifyReply) => {
    const row = rowOf(request.method, request.routeOptions.url);
    if (!("event" in row)) return;
    const { ref, run_id: runId } = (request.params ?? {}) as { ref?: string; run_id?: string };
    const sandbox = ref === undefined ? undefined : registry.find(ref);
    const known = runId !== undefined && registry.runs.has(runId) ? runId : null;
    const tenant = sandbox?.plan.tenant ?? tenantNamedIn(request.body);
    const about = { tenant, sandboxId: sandbox?.id ?? null, runId: known };
    const recording = new Recording(evidence, await evidence.begin(row.event, about, { reserved: row.frees === true }));
    request.recording = recording;
    reply.raw.once("close", () => recording.end(reply.raw.statusCode));
  });
}

/** Whom a sandbox that is to be made is for; the schema has checked the name. */
function tenantNamedIn(body: unknown): string | undefined {
  const { tenant, sandbox } = (body ?? {}) as { tenant?: unknown; sandbox?: { tenant?: unknown } };
  const named = tenant ?? sandbox?.tenant;
  return typeof named === "string" && isTenant(named) ? named : undefined;
}

/** A call that nobody put into the table is recorded all the same; a test finds the missing row. */
function rowOf(method: string, url: string | undefined): CallRow {
  const readsOnly = { readsOnly: "it is a GET, or no call at all" };
  if (url === undefined || ["GET", "HEAD", "OPTIONS"].includes(method)) return readsOnly;
  return recordedCalls[`${method} ${url}`] ?? { event: "call.other" };
}

/**
 * The error document of a failed call, without values of secrets; it names the call's entry unless the error knows a better
 * one. Every error leaves the daemon through here.
 */
export function failureOf(error: SandboxError, { recording, server }: FastifyRequest): ErrorDocument {
  const document = error.toDocument();
  if (recording === null) return server.protectedValues.document(document);
  recording.code = error.code;
  const auditId = document.error.audit_id ?? recording.auditId;
  return server.protectedValues.document({ ...document, error: { ...document.error, audit_id: auditId } });
}

declare module "fastify" {
  interface FastifyInstance {
    /** What no error may hold. */
    protectedValues: ProtectedValues;
  }
  interface FastifyRequest {
    /** Null for calls that change nothing. */
    recording: Recording | null;
  }
}
