import type { IncomingMessage, ServerResponse } from "node:http";
import type { CommandResultDocument, SandboxInfoDocument } from "@mvm/protocol";
import { answer, fakeDaemon, type FakeDaemon, lines } from "./fake-daemon.js";

export const id = "sbx_01m82n4fec85qrs8rcr7zt19wc";

export function infoDocument(fields: Partial<SandboxInfoDocument> = {}): SandboxInfoDocument {
  return {
    id,
    name: null,
    state: "running",
    reason: null,
    image: { name: "python", digest: "sha256:00" },
    backend: "qemu",
    accel: "tcg",
    isolation: "emulated",
    cpu: 1,
    memory_mb: 512,
    memory: {
      ...{ reserved_mb: 512, limit_mb: 512, used_bytes: null, held_bytes: null },
      ...{ peak_bytes: null, reclaimed_bytes: null },
    },
    disk_mb: 2048,
    profile: "standard",
    workload_id: null,
    tags: { some_tag: "x" },
    network: { default: "deny", allow: [] },
    plan_sha256: null,
    policy_sha256: null,
    owner: null,
    tenant: "local",
    detached: false,
    created_at: "2025-01-01T00:00:00.000Z",
    ready_at: null,
    expires_at: null,
    idle_seconds: null,
    ended_at: null,
    ports: [],
    confinement: [],
    template: null,
    ...fields,
  };
}

export function resultDocument(fields: Partial<CommandResultDocument> = {}): CommandResultDocument {
  return {
    schema_version: 1,
    run_id: "run_01m82n4fec85qrs8rcr7zt19wc",
    audit_id: "evt_01m82n4fec85qrs8rcr7zt19wc",
    sandbox_id: id,
    exit_code: 0,
    signal: null,
    timed_out: false,
    oom_killed: false,
    stdout: "42\n",
    stderr: "",
    stdout_bytes: 3,
    stderr_bytes: 0,
    stdout_truncated: false,
    stderr_truncated: false,
    duration_ms: 1.5,
    timings: null,
    isolation: null,
    receipt_path: null,
    ...fields,
  };
}

export const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString("base64");

export type Answers = Readonly<
  Record<string, (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>>
>;

/** A daemon that makes sandboxes, deletes them, and answers what a test adds as `METHOD path` below the sandbox. */
export async function sandboxDaemon(
  answers: Answers = {},
  options: { raw?: boolean } = {},
): Promise<FakeDaemon & { readonly leases: Set<ServerResponse> }> {
  const leases = new Set<ServerResponse>();
  const daemon = await fakeDaemon((request, response, body) => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const below = `${request.method} ${path.replace(`/v1/sandboxes/${id}`, "")}`;
    const own = answers[below] ?? answers[`${request.method} ${path}`];
    if (own !== undefined) return own(request, response, body);
    if (below === "POST /v1/sandboxes") {
      const detached = body.includes('"detach":true');
      const name = (JSON.parse(body.toString() || "{}") as { name?: string }).name ?? null;
      lines(response, { event: "progress", phase: "restore" });
      const sandbox = infoDocument({ detached, name });
      lines(response, { event: "created", sandbox, timings: { create_ms: 1, start: "template" } });
      if (detached) return void response.end();
      leases.add(response);
      response.once("close", () => leases.delete(response));
      return;
    }
    if (below === "DELETE ") return answer(response, 200, { destroyed: true, guarantee: "All of it" });
    if (below === "GET ") return answer(response, 200, infoDocument());
    answer(response, 404, { error: { code: "USAGE", message: `no answer for ${below}` } });
  }, options);
  return { ...daemon, leases };
}
