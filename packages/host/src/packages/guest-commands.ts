import type { Readable } from "node:stream";
import { type CommandResult, limits, type SandboxError } from "@mvm/protocol";
import { startCommand } from "../commands/exec.js";
import { commandSpec } from "../commands/spec.js";
import { writeFile } from "../files/write.js";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { requireLive } from "../sandboxes/state.js";

/** Takes output of both streams as it comes. A promise holds the guest back until it resolves. */
export type GuestOutput = (data: Buffer, stream: "stdout" | "stderr") => void | Promise<void>;

/** What one command runs as and with. */
export interface GuestCommand {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: `/`. */
  readonly cwd?: string;
  /** Default: `root`. */
  readonly user?: string;
  /** Written to its input. */
  readonly input?: Readable;
  readonly onOutput?: GuestOutput;
}

export interface GuestCommandsOptions {
  readonly signal: AbortSignal;
  /** Milliseconds the next command may take. */
  timeLeft(): number;
  /** The error for a command that did not exit with 0. */
  failed(what: string, result: CommandResult): SandboxError;
  /** What is done in the machine, for errors: `build in`. */
  readonly what: string;
  /** Variables of every command, before its own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Commands that the host itself decides on, in the machine of a build or of a sandbox. Each has its entry and its receipt. */
export class GuestCommands {
  /** What has run, in order. */
  readonly runs: Pick<CommandResult, "runId" | "auditId" | "receipt">[] = [];

  constructor(
    protected readonly services: Services,
    protected readonly sandbox: Sandbox,
    private readonly options: GuestCommandsOptions,
  ) {}

  get live(): Live {
    return requireLive(this.sandbox, this.options.what);
  }

  protected get signal(): AbortSignal {
    return this.options.signal;
  }

  /** Runs a command to its end. Returns its stdout, at most 16 MiB of it. @throws what `failed` makes of another end than 0 */
  async run(command: GuestCommand, what: string): Promise<string> {
    const ended = await this.exec(command);
    if (ended.exitCode === 0) return ended.stdout;
    throw this.options.failed(what, ended);
  }

  async exec(command: GuestCommand): Promise<CommandResult> {
    this.signal.throwIfAborted();
    const spec = commandSpec({
      argv: [...command.argv],
      env: { ...this.options.env, ...command.env },
      cwd: command.cwd ?? "/",
      user: command.user ?? "root",
      stdin: command.input === undefined ? "none" : "pipe",
      timeout_ms: this.options.timeLeft(),
      max_output_bytes: limits.outputMaxBytes,
    });
    const before = { began: performance.now(), createMs: null, start: null };
    const { onOutput } = command;
    const process = await startCommand(this.services, this.sandbox, spec, before, ({ data, stream }) =>
      onOutput?.(Buffer.from(data), stream),
    );
    const cancel = (): void => process.cancel();
    this.signal.addEventListener("abort", cancel, { once: true });
    try {
      if (command.input !== undefined) {
        // A command that ends without reading its input says why by its exit code.
        const fed = (async () => {
          for await (const chunk of command.input as AsyncIterable<Buffer>) await process.write(chunk);
          process.closeStdin();
        })().catch(() => command.input?.destroy());
        void fed;
      }
      const result = await process.result;
      const { runId, auditId, receipt } = result;
      this.runs.push({ runId, auditId, receipt });
      this.signal.throwIfAborted();
      return result;
    } finally {
      command.input?.destroy();
      this.signal.removeEventListener("abort", cancel);
    }
  }

  async put(path: string, body: AsyncIterable<unknown>, mode: number): Promise<void> {
    this.signal.throwIfAborted();
    await writeFile(this.live, { path, mode, body });
  }
}
