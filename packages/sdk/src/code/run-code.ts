import {
  type CodeLanguage,
  type CodeRequest,
  type CodeStreamEvent,
  validateGuestPath,
  validateMaxOutputBytes,
} from "@mvm/protocol";
import { OutputCallback } from "../commands/output.js";
import { timeoutOf } from "../commands/request.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined, refuseUnknown } from "../wire/options.js";
import { type CodeResult, codeResult } from "./result.js";

/** Options for `sandbox.runCode`. */
export interface RunCodeOptions extends CallOptions {
  /** Name of the context, made at its first use; calls of one context run one after the other. @default "default" */
  readonly context?: string | undefined;
  /** Working directory of a context that this call makes. @default "/home/user" */
  readonly cwd?: string | undefined;
  /** End the context after so many seconds; the result then has `timedOut: true`. @default no limit but the sandbox's */
  readonly timeoutSeconds?: number | undefined;
  /** The same in milliseconds. Give one of the two. */
  readonly timeoutMs?: number | undefined;
  /** Bytes kept of each output, head and tail. @default 1 048 576 */
  readonly maxOutputBytes?: number | undefined;
  /** Called with output as it comes. The code is held up while a promise it returns is pending. */
  readonly onStdout?: ((text: string) => unknown) | undefined;
  readonly onStderr?: ((text: string) => unknown) | undefined;
}

const known: ReadonlySet<string> = new Set(
  Object.keys({
    context: true,
    cwd: true,
    timeoutSeconds: true,
    timeoutMs: true,
    maxOutputBytes: true,
    onStdout: true,
    onStderr: true,
    signal: true,
    requestTimeoutMs: true,
  } satisfies { readonly [Option in keyof RunCodeOptions]-?: true }),
);

/**
 * Runs code in a context of the sandbox and returns its result, whatever came of it. When the signal aborts, the context
 * ends. Throws `BackendUnsupported` when the image has no interpreter of the language.
 */
export async function runCode(
  target: Target,
  language: CodeLanguage,
  code: string,
  options: RunCodeOptions = {},
): Promise<CodeResult> {
  refuseUnknown("runCode", options, known);
  const stdout = new OutputCallback(options.onStdout);
  const stderr = new OutputCallback(options.onStderr);
  const json: CodeRequest = defined({
    language,
    code,
    context: options.context,
    cwd: options.cwd === undefined ? undefined : validateGuestPath(options.cwd),
    timeout_ms: timeoutOf(options),
    max_output_bytes: options.maxOutputBytes === undefined ? undefined : validateMaxOutputBytes(options.maxOutputBytes),
    stream: (options.onStdout ?? options.onStderr) === undefined ? undefined : true,
  });
  options.signal?.throwIfAborted();
  const call = { method: "POST", path: "/code", operation: "code.run", json, patient: () => true } as const;
  const stream = await target.client.stream<CodeStreamEvent>(callOf(target, call, options));
  for await (const event of stream) {
    if (event.event === "stdout") await stdout.push(Buffer.from(event.data, "base64"));
    else if (event.event === "stderr") await stderr.push(Buffer.from(event.data, "base64"));
    else if (event.event === "end") {
      await stdout.end();
      await stderr.end();
      const failure = stdout.failure ?? stderr.failure;
      if (failure !== null) throw failure.error;
      return codeResult(event.result);
    }
  }
  throw stream.cutShort("end");
}
