import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One request as the tests see it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  /** The whole body; resolves when it has ended. */
  readonly body: () => Promise<Buffer>;
  /** Resolves when the client has closed the connection. */
  readonly closed: Promise<void>;
}

/** Answers one request. */
export type Answer = (seen: Seen, response: ServerResponse) => void | Promise<void>;

/** A real HTTP server on the socket where the daemon of a temporary state root would listen. */
export class StandingDaemon {
  readonly home = mkdtempSync(join(tmpdir(), "mvmctl-"));
  readonly requests: Seen[] = [];
  readonly #server: Server;

  private constructor(answers: Readonly<Record<string, Answer>>) {
    mkdirSync(join(this.home, "run"), { mode: 0o700 });
    chmodSync(this.home, 0o700);
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://mvm");
      const seen: Seen = {
        method: request.method ?? "",
        path: url.pathname,
        query: url.searchParams,
        request,
        body: async () => {
          const chunks: Buffer[] = [];
          for await (const chunk of request) chunks.push(chunk as Buffer);
          return Buffer.concat(chunks);
        },
        closed: new Promise((resolve) => response.once("close", resolve)),
      };
      this.requests.push(seen);
      const answer = answers[`${seen.method} ${seen.path}`] ?? answers["*"] ?? notFound;
      void Promise.resolve(answer(seen, response)).catch(() => response.destroy());
    });
  }

  static async start(answers: Readonly<Record<string, Answer>>): Promise<StandingDaemon> {
    const daemon = new StandingDaemon(answers);
    await new Promise<void>((resolve) => daemon.#server.listen(join(daemon.home, "run", "mvmd.sock"), resolve));
    return daemon;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** A JSON answer. */
export function json(value: unknown, status = 200): Answer {
  return async (seen, response) => {
    await seen.body();
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };
}

/** A stream of events that ends. */
export function events(...values: readonly object[]): Answer {
  return async (seen, response) => {
    await seen.body();
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.end(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
  };
}

/** The error document of a code. */
export function failure(name: string, code: string, status: number, message = `Cannot do it: ${code}`): Answer {
  return json({ schema_version: 1, error: { name, code, message, hint: "A hint" } }, status);
}

const notFound: Answer = failure("InvalidArgumentError", "USAGE", 404, "Cannot answer: no such call");

/** A result document as the daemon sends it. */
export function resultDocument(over: object = {}): object {
  return {
    schema_version: 1,
    run_id: "run_1",
    audit_id: "evt_1",
    sandbox_id: "sbx_1",
    exit_code: 0,
    signal: null,
    timed_out: false,
    oom_killed: false,
    stdout: "",
    stderr: "",
    stdout_bytes: 0,
    stderr_bytes: 0,
    stdout_truncated: false,
    stderr_truncated: false,
    duration_ms: 1.5,
    timings: { create_ms: 10, exec_ms: 1.5, total_ms: 12, start: "template" },
    isolation: { backend: "qemu", accel: "tcg", isolation: "emulated" },
    receipt_path: null,
    ...over,
  };
}

/** A stdout or stderr event. */
export function output(event: "stdout" | "stderr", bytes: string | Buffer): object {
  return { event, data: Buffer.from(bytes).toString("base64") };
}

/** The event that a command runs. */
export const started = { event: "started", pid: 7, run_id: "run_1" };

/** A sandbox as the daemon describes it. */
export function sandboxInfo(over: object = {}): object {
  return {
    id: "sbx_01jd0000000000000000000000",
    name: "devbox",
    state: "running",
    reason: null,
    image: { name: "python", digest: "sha256:abc" },
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
    tags: {},
    owner: "root",
    detached: true,
    created_at: new Date(Date.now() - 3_900_000).toISOString(),
    ready_at: null,
    expires_at: new Date(Date.now() + 600_500).toISOString(),
    ended_at: null,
    ports: [],
    confinement: [],
    template: null,
    ...over,
  };
}
