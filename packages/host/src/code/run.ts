import { createHash } from "node:crypto";
import {
  type CodeClaim,
  type CodeRequest,
  type CodeResultDocument,
  deadline,
  limits,
  newId,
  signalName,
  validateGuestPath,
} from "@mvm/protocol";
import { OutputCapture } from "@mvm/protocol/capture";
import { checker, CodeClaimSchema } from "@mvm/protocol/schemas";
import { rounded } from "../commands/result.js";
import { beginRun, endCodeRun, failRun } from "../evidence/run-record.js";
import { withheld } from "../logs/redact.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { contextsOf } from "./contexts.js";
import type { CallEnd, Runner } from "./runner.js";

/** What the caller of a call hears while it runs. */
export interface CodeSink {
  readonly signal: AbortSignal;
  onStarted(pid: number, runId: string): void;
  /** A promise holds the context back until it resolves. */
  onOutput(stream: "stdout" | "stderr", data: Buffer): void | Promise<void>;
}

/** Context of calls that name none: they share their state. */
export const defaultContext = "default";

const checkClaim = checker(CodeClaimSchema, "result of a call");
/** Output is taken back in portions: a line for every chunk would double the traffic. */
const ackPortion = limits.codeWindowBytes / 4;

type Request = Omit<CodeRequest, "code"> & { readonly code: string | null };

/**
 * Runs code in a context of the sandbox and resolves with its result, however it ended. Its begin is in the audit log before it
 * starts, and it has a receipt as a command has. A `code` of null only makes sure that the context is there.
 * @throws {SandboxUnavailable} {OutcomeUnknownError} {BackendUnsupported}
 * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: it was not started
 */
export async function runCode(
  services: Services,
  sandbox: Sandbox,
  request: Request,
  sink: CodeSink,
): Promise<CodeResultDocument> {
  const { language, code, context = defaultContext } = request;
  const cwd = validateGuestPath(request.cwd ?? "/home/user");
  return contextsOf(sandbox, language).inTurn(context, async (runner) => {
    sink.signal.throwIfAborted();
    const start = (runId: string) => new CodeCall(runId, sandbox, runner, { ...request, context, cwd }, sink);
    if (code === null) return start(newId("run")).result;
    const record = await beginRun(services, sandbox, { argv: [language, code], env: {} });
    const call = start(record.runId);
    try {
      return await endCodeRun(services, sandbox, record, call, await call.result);
    } catch (error) {
      await failRun(services, sandbox, record, error, call);
      throw error;
    }
  });
}

class CodeCall {
  readonly result: Promise<CodeResultDocument>;
  readonly #outputs;
  readonly #began = performance.now();
  #claim: CodeClaim | null = null;
  #fresh = false;
  #violation = false;
  #unacknowledged = 0;
  readonly #redaction;
  /** Why output could not be cleaned. */
  #unclean: Error | undefined;

  /** SHA-256 of all output so far, also of what the result leaves out. */
  readonly digests = { stdout: createHash("sha256"), stderr: createHash("sha256") };

  constructor(
    readonly id: string,
    private readonly sandbox: Sandbox,
    private readonly runner: Runner,
    private readonly request: Request & { readonly context: string; readonly cwd: string },
    private readonly sink: CodeSink,
  ) {
    const most = request.max_output_bytes ?? limits.outputDefaultBytes;
    const { redactor } = sandbox.logs;
    this.#redaction = { stdout: redactor.stream(), stderr: redactor.stream() };
    this.#outputs = { stdout: new OutputCapture(most), stderr: new OutputCapture(most) };
    this.result = this.#run();
  }

  async #run(): Promise<CodeResultDocument> {
    const { runner, sink } = this;
    const { context, code, cwd, timeout_ms = null } = this.request;
    let overdue: NodeJS.Timeout | undefined;
    /** A runner that does not answer in time is ended with all its contexts: nothing waits for ever. */
    const expect = (afterMs: number): void => {
      clearTimeout(overdue);
      const margin = deadline("commandOverrun", this.sandbox.identity?.accel ?? "tcg");
      overdue = setTimeout(() => void runner.kill(), Math.min(afterMs + margin, 2 ** 31 - 1));
    };
    const onAbort = (): void => {
      runner.request({ op: "kill", context, call: this.id, why: "cancelled" });
      expect(0);
    };
    try {
      const end = await new Promise<CallEnd>((resolve, reject) => {
        runner.start(
          {
            id: this.id,
            onBegin: (fresh, pid) => {
              this.#fresh = fresh;
              runner.contexts.add(context);
              sink.onStarted(pid, this.id);
            },
            onOutput: (stream, data) => this.#onOutput(stream, data),
            onClaim: (data) => this.#onClaim(data),
            onEnd: resolve,
            onLost: reject,
          },
          { context, code, cwd, timeout_ms },
        );
        if (timeout_ms !== null) expect(timeout_ms);
        sink.signal.addEventListener("abort", onAbort, { once: true });
      });
      if (end.ended !== null) runner.contexts.delete(context);
      for (const stream of ["stdout", "stderr"] as const) this.#deliver(stream, this.#redaction[stream].flush(), 0);
      if (this.#unclean !== undefined) throw this.#unclean;
      return this.#document(end);
    } finally {
      clearTimeout(overdue);
      sink.signal.removeEventListener("abort", onAbort);
    }
  }

  #onOutput(stream: "stdout" | "stderr", data: Buffer): void {
    try {
      this.#deliver(stream, this.#redaction[stream].push(data), data.length);
    } catch (error) {
      // Nothing that could not be cleaned is passed on.
      this.#unclean ??= withheld(this.id, error);
      this.runner.request({ op: "kill", context: this.request.context, why: "cancelled" });
    }
  }

  /** @param size bytes of the guest's that are taken with it */
  #deliver(stream: "stdout" | "stderr", data: Buffer, size: number): void {
    if (this.#unclean !== undefined) return;
    this.#outputs[stream].push(data);
    this.digests[stream].update(data);
    const acknowledge = (): void => {
      this.#unacknowledged += size;
      if (this.#unacknowledged < ackPortion) return;
      this.runner.request({ op: "ack", call: this.id, bytes: this.#unacknowledged });
      this.#unacknowledged = 0;
    };
    if (data.length === 0) return acknowledge();
    void (async () => this.sink.onOutput(stream, data))().then(acknowledge, acknowledge);
  }

  /** What does not answer this very call was written by the code itself: such a context is not believed any further. */
  #onClaim(data: Buffer): void {
    try {
      const claim = checkClaim(JSON.parse(this.sandbox.logs.redactor.text(data.toString("utf8"))));
      if (data.length > limits.codeClaimBytes || claim.call !== this.id) throw new Error("not of this call");
      this.#claim = claim;
    } catch {
      this.#violation = true;
      this.runner.contexts.delete(this.request.context);
      this.runner.request({ op: "kill", context: this.request.context, why: "violation" });
    }
  }

  #document(end: CallEnd): CodeResultDocument {
    const [stdout, stderr] = [this.#outputs.stdout.result(), this.#outputs.stderr.result()];
    const ended = this.#violation ? "violation" : end.ended;
    const claim = ended === null ? this.#claim : null;
    const timedOut = ended === "timed_out";
    return {
      schema_version: 1,
      run_id: this.id,
      audit_id: null,
      receipt_path: null,
      sandbox_id: this.sandbox.id,
      language: this.request.language,
      context: this.request.context,
      context_fresh: this.#fresh,
      context_ended: ended,
      value: claim?.value ?? null,
      outputs: claim?.outputs ?? [],
      outputs_dropped: claim?.outputs_dropped ?? 0,
      error: ended === null ? (claim?.error ?? null) : endError(ended, end),
      exit_code: end.status,
      signal: end.signal === null ? null : signalName(end.signal),
      timed_out: timedOut,
      oom_killed: end.oom,
      stdout: stdout.text,
      stderr: stderr.text,
      ...(stdout.base64 !== undefined && { stdout_base64: stdout.base64 }),
      ...(stderr.base64 !== undefined && { stderr_base64: stderr.base64 }),
      stdout_bytes: stdout.bytes,
      stderr_bytes: stderr.bytes,
      stdout_truncated: stdout.truncated,
      stderr_truncated: stderr.truncated,
      duration_ms: rounded(performance.now() - this.#began),
    };
  }
}

const endTexts: Readonly<Record<string, string>> = {
  timed_out: "the code was killed at its time limit",
  cancelled: "the call was given up",
  closed: "the code closed the descriptor its context is driven through",
  violation: "the code wrote to the descriptor its context is driven through",
  deleted: "the context was deleted",
  lost: "the runner of the sandbox was lost",
};

/** The error of a call whose context did not live to tell one. */
function endError(ended: string, end: CallEnd): CodeResultDocument["error"] {
  const how = end.signal === null ? `exited with status ${end.status}` : `was ended by ${signalName(end.signal)}`;
  const memory = end.oom ? ", because the memory ran out" : "";
  const value =
    ended === "not_started"
      ? `the context cannot be started: ${(end.detail ?? "").slice(0, 200)}`
      : (endTexts[ended] ?? `the interpreter ${how}${memory}`);
  return { name: "ContextEnded", value: `${value}; the next call gets a fresh context`, traceback: "" };
}
