import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Readable } from "node:stream";
import { createError, type SandboxError, Timeout, toSandboxError } from "@mvm/protocol";
import { type Call, isIdempotent, target } from "./call.js";
import { watchSilence } from "./liveness.js";

/** Connections that are used again. Only for GET, which is repeated when an idle one dies as it is taken. */
const pooled = new Agent({ keepAlive: true, maxFreeSockets: 4 });
/**
 * Connections of their own. They say keep-alive and are never used again: told to close, the daemon would close behind an
 * early refusal, and a write still under way would fail before the refusal is read.
 */
const single = new Agent({ keepAlive: true, maxFreeSockets: 0 });

/** The deadline of a call passed. Nothing is known about its effects once it was sent. */
export function timedOut(call: Call, timeoutMs: number, dispatched: boolean): Timeout {
  return new Timeout({
    message: `Cannot finish ${call.operation}: the daemon did not answer within ${timeoutMs} ms`,
    hint: "Check `mvmctl daemon status`; give the request a longer timeout if the machine is just slow",
    outcome: dispatched ? "unknown" : "not_started",
    operation: call.operation,
    sandboxId: call.sandboxId ?? null,
    context: { timeout_ms: timeoutMs },
  });
}

const lost = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ERR_STREAM_PREMATURE_CLOSE"]);

/** What a broken connection means: the daemon never closes one before it has answered. */
function daemonEnded(error: unknown, call: Call): SandboxError {
  const idempotent = isIdempotent(call);
  return createError(idempotent ? "TRANSPORT_FAILED" : "OUTCOME_UNKNOWN", {
    message: `Cannot finish ${call.operation}: the daemon ended, or was ended, before it had answered`,
    hint: idempotent
      ? "Try again: that starts the daemon"
      : "Sandboxes that were not detached have ended with it. Look up what happened with `mvmctl audit tail`, then try again: that starts the daemon",
    outcome: "unknown",
    operation: call.operation,
    sandboxId: call.sandboxId ?? null,
    cause: error,
    ...(idempotent && { retry: "safe" }),
  });
}

/** How an exchange failed, in the terms of mvm; what aborted it keeps its own reason. */
export function exchangeError(error: unknown, call: Call, dispatched: boolean): unknown {
  if (call.signal?.aborted) return call.signal.reason;
  const met = dispatched && lost.has((error as NodeJS.ErrnoException).code ?? "") ? daemonEnded(error, call) : error;
  return toSandboxError(met, {
    dispatched,
    operation: call.operation,
    idempotent: isIdempotent(call),
    sandboxId: call.sandboxId ?? null,
  });
}

function watch(
  socketPath: string,
  outgoing: ClientRequest,
  timeoutMs: number,
  wanted: () => boolean,
  fail: () => void,
): () => void {
  return watchSilence(timeoutMs, {
    wanted,
    bytes: () => outgoing.socket?.bytesRead ?? 0,
    ask: async () => {
      const version: Call = { method: "GET", path: "/version", operation: "daemon.version" };
      (await exchange(socketPath, version, timeoutMs)).resume();
    },
    fail,
  });
}

/** Profile `permissive` needs a word of whoever starts the client; the daemon cannot read it from its own environment. */
function acknowledged(): Record<string, string> {
  return process.env["MVM_ACK_PERMISSIVE_RUN"] === "1" ? { "x-mvm-ack-permissive": "1" } : {};
}

/**
 * Sends one request and resolves with the head of its answer, whatever its status. Rejects with an error of mvm whose
 * outcome is `not_started` until something was written, or with the reason of the signal.
 */
export function exchange(socketPath: string, call: Call, timeoutMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (call.signal?.aborted) return reject(call.signal.reason as Error);
    let dispatched = false;
    const body = call.json === undefined ? call.body : Buffer.from(JSON.stringify(call.json));
    const headers: Record<string, string | number> = { host: "mvm", ...acknowledged(), ...call.headers };
    if (call.json !== undefined) headers["content-type"] = "application/json";
    else if (call.body !== undefined) headers["content-type"] ??= "application/octet-stream";
    if (body instanceof Uint8Array) headers["content-length"] = body.length;

    const outgoing = request({
      socketPath,
      method: call.method,
      path: target(call),
      headers,
      agent: call.method === "GET" ? pooled : single,
    });
    let answer: IncomingMessage | undefined;
    const end = (error: Error) => (answer ?? outgoing).destroy(error);
    const late = () => end(timedOut(call, timeoutMs, dispatched));
    const timer = call.patient ? undefined : setTimeout(late, timeoutMs);
    const unwatch = call.patient && watch(socketPath, outgoing, timeoutMs, call.patient, late);
    const abort = () => end(call.signal?.reason as Error);
    call.signal?.addEventListener("abort", abort, { once: true });
    outgoing.once("close", () => {
      clearTimeout(timer);
      unwatch?.();
      call.signal?.removeEventListener("abort", abort);
    });

    let payload: Readable | undefined;
    let sourceError: Error | undefined;
    const write = () => {
      dispatched = true;
      if (typeof body !== "function") return;
      payload = body();
      // A long upload is alive as long as it moves: the deadline counts from the last piece.
      payload.on("data", () => timer?.refresh());
      payload.once("error", (error) => {
        sourceError = error;
        end(error);
      });
      payload.pipe(outgoing);
    };
    outgoing.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", write);
      else write();
    });
    outgoing.once("response", (incoming) => {
      answer = incoming;
      clearTimeout(timer);
      // An answer that comes before the body is sent is a refusal: the rest of the body is not wanted.
      if (payload !== undefined && !payload.readableEnded) {
        payload.unpipe(outgoing).destroy();
        incoming.once("close", () => outgoing.destroy());
      }
      resolve(incoming);
    });
    // Stays after the answer: a connection that breaks then reports it here as well, and unheard it would end the process.
    outgoing.on("error", (error) => {
      payload?.destroy();
      // What the caller's own source throws is the caller's error.
      reject(error === sourceError ? error : (exchangeError(error, call, dispatched) as Error));
    });
    if (typeof body === "function") outgoing.flushHeaders();
    else outgoing.end(body);
  });
}
