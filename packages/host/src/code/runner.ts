import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { runnerArgv, runnerLanguage, type RunnerLanguage } from "@mvm/images";
import { BackendUnsupported, type ContextEnd, deadline, OutcomeUnknownError, type RunnerLine } from "@mvm/protocol";
import type { AgentStream } from "../agent/types.js";
import { checkedAnswer } from "../sandboxes/agent-answer.js";
import type { Live } from "../sandboxes/sandbox.js";
import { RunnerLines } from "./lines.js";

/** How a call ended, told by the runner, which is no process of the user's. */
export interface CallEnd {
  readonly ended: ContextEnd | null;
  readonly status: number | null;
  readonly signal: number | null;
  readonly oom: boolean;
  readonly detail?: string | undefined;
}

/** One call as its caller follows it. */
export interface Call {
  readonly id: string;
  onBegin(fresh: boolean, pid: number): void;
  onOutput(stream: "stdout" | "stderr", data: Buffer): void;
  /** What the context claims; nothing of it is checked yet. */
  onClaim(data: Buffer): void;
  onEnd(end: CallEnd): void;
  /** The channel to the guest is lost. */
  onLost(error: Error): void;
}

const sigkill = 9;

/** The runner of one language in one machine. Made by {@link connectRunner}. */
export class Runner {
  /** Names of the contexts that live. */
  readonly contexts = new Set<string>();
  /** Resolves when nothing more comes from it; never rejects. */
  readonly over: Promise<void>;
  readonly hello: Promise<void>;
  isOver = false;
  #pid: number | null;
  readonly #live: Live;
  readonly #stream: AgentStream;
  readonly #calls = new Map<string, Call>();
  readonly #lines = new RunnerLines();
  readonly #nonce = randomBytes(16).toString("hex");
  #sent: Promise<unknown> = Promise.resolve();
  #greeted: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(live: Live, language: RunnerLanguage, pid: number | null, environment: Promise<Record<string, string>>) {
    this.#live = live;
    this.#pid = pid;
    const request =
      pid === null
        ? { argv: runnerArgv(language), env: {}, cwd: "/", user: "root", stdin: "pipe", timeout_ms: null, pty: null }
        : { pid };
    this.#stream = live.session.open(
      { op: pid === null ? "exec" : "attach", ...(pid === null ? { ...request, grace_ms: 0 } : request) },
      {
        onEvent: (event) => {
          if (event.event === "started") this.#pid = event.pid;
        },
        onData: (data) => this.#read(data),
      },
    );
    this.hello = new Promise((resolve, reject) => {
      this.#greeted = resolve;
      this.#failed = reject;
    });
    this.hello.catch(() => undefined);
    this.over = this.#stream.result.then(
      (result) => this.#end(missing(result, language)),
      (error: Error) => this.#end(error),
    );
    // An empty line ends what a former host did not finish.
    this.#send("\n");
    void environment.then(
      (env) => this.request({ op: "hello", nonce: this.#nonce, entropy: entropy(), env }),
      (error: Error) => this.#failed(error),
    );
  }

  /** Sends a call; its methods are called until `onEnd` or `onLost`, once. */
  start(call: Call, request: Record<string, unknown>): void {
    if (this.isOver) return call.onEnd(lost);
    this.#calls.set(call.id, call);
    this.request({ op: "run", call: call.id, entropy: entropy(), ...request });
  }

  request(message: Record<string, unknown>): void {
    this.#send(`${JSON.stringify(message)}\n`);
  }

  /** Ends the runner and every context with it, for when it does not do what it is told. */
  async kill(): Promise<void> {
    if (this.#pid === null) return this.#stream.cancel();
    await this.#live.session.call({ op: "signal", pid: this.#pid, signal: sigkill, tree: true }).catch(() => undefined);
  }

  /** One after the other: a long line that waits for credit must not be overtaken. */
  #send(text: string): void {
    this.#sent = this.#sent.then(() => this.#stream.write(Buffer.from(text)));
  }

  #read(data: Uint8Array): void {
    let lines: (RunnerLine | null)[];
    try {
      lines = this.#lines.push(data);
    } catch {
      return void this.kill();
    }
    for (const line of lines) if (line !== null) this.#line(line);
  }

  #line(line: RunnerLine): void {
    if (line.event === "ready") return;
    if (line.event === "hello") {
      if (line.nonce !== this.#nonce) return;
      for (const name of line.contexts) this.contexts.add(name);
      return this.#greeted();
    }
    if (line.event === "gone") return void this.contexts.delete(line.context);
    const call = this.#calls.get(line.call);
    if (call === undefined) return;
    if (line.event === "begin") return call.onBegin(line.fresh, line.pid);
    if (line.event === "result") return call.onClaim(Buffer.from(line.data, "base64"));
    if (line.event !== "end") return call.onOutput(line.event, Buffer.from(line.data, "base64"));
    this.#calls.delete(line.call);
    call.onEnd({ ...line, ended: line.ended === "unknown" ? "lost" : line.ended });
  }

  #end(error: Error | null): void {
    this.isOver = true;
    this.contexts.clear();
    this.#failed(error ?? new OutcomeUnknownError({ message: "Cannot run code: the sandbox's runner ended" }));
    for (const call of this.#calls.values()) {
      if (error instanceof OutcomeUnknownError) call.onLost(error);
      else call.onEnd(lost);
    }
    this.#calls.clear();
  }
}

const lost: CallEnd = { ended: "lost", status: null, signal: null, oom: false };

function entropy(): string {
  return randomBytes(32).toString("base64");
}

/** Status of a program that is not there. */
const notFound = 127;

function missing(result: unknown, language: RunnerLanguage): Error | null {
  if (checkedAnswer("exec", result).exit_code !== notFound) return null;
  return new BackendUnsupported({
    message: `Cannot run ${language} code: the image has no interpreter for it`,
    hint: `Use the image ${language === "python" ? "python" : "node"}, or one that has it`,
    backend: "qemu",
    feature: `code:${language}`,
    outcome: "not_started",
  });
}

/**
 * The runner that waits in the machine's memory since its template was made, or a new one. What a command of the user would
 * find in its environment is asked of the guest: only its agent knows it after a restart of the daemon.
 */
export async function connectRunner(live: Live, language: RunnerLanguage): Promise<Runner> {
  const deadlineMs = deadline("agentRequest", live.machine.identity.accel);
  const environment = environmentOf(live);
  environment.catch(() => undefined);
  const { processes } = checkedAnswer("ps", await live.session.call({ op: "ps" }, { deadlineMs }));
  const found = processes.find(({ argv, user, running }) => {
    return running && user === "root" && runnerLanguage(argv) === language;
  });
  const runner = new Runner(live, language, found?.pid ?? null, environment);
  // A cold interpreter has the time a machine has to boot.
  const patience = deadline("boot", live.machine.identity.accel);
  const timer = new AbortController();
  const late = sleep(patience, undefined, { signal: timer.signal, ref: false }).then(
    () => runner.kill(),
    () => undefined,
  );
  try {
    await runner.hello;
  } finally {
    timer.abort();
    await late;
  }
  return runner;
}

async function environmentOf(live: Live): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  const request = { op: "exec", argv: ["env", "-0"], env: {}, cwd: "/", user: "user", stdin: "none" };
  const stream = live.session.open(
    { ...request, timeout_ms: deadline("agentRequest", live.machine.identity.accel), grace_ms: 0, pty: null },
    { onData: (data) => void chunks.push(Buffer.from(data)) },
  );
  await stream.result;
  const pairs = Buffer.concat(chunks).toString().split("\0").filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}
