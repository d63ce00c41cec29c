import {
  type CommandRequest,
  InvalidArgumentError,
  limits,
  validateArgv,
  validateEnv,
  validateGuestPath,
  validateMaxOutputBytes,
  validateShell,
  validateTimeoutMs,
  validateTimeoutSeconds,
  validateUser,
} from "@mvm/protocol";
import { defined } from "../wire/options.js";
import type { Command, CommandOptions, Stdin } from "./options.js";

/** The one time limit of the two spellings, in milliseconds. */
export function timeoutOf(options: Pick<CommandOptions, "timeoutMs" | "timeoutSeconds">): number | undefined {
  if (options.timeoutMs !== undefined && options.timeoutSeconds !== undefined) {
    throw new InvalidArgumentError({
      message: "Cannot use timeoutMs and timeoutSeconds together: they are the same limit",
      context: { argument: "timeout" },
    });
  }
  if (options.timeoutMs !== undefined) return validateTimeoutMs(options.timeoutMs);
  return options.timeoutSeconds === undefined ? undefined : validateTimeoutSeconds(options.timeoutSeconds);
}

/** The part of the request that every way to run a command shares. Throws `InvalidArgumentError`. */
export function commandRequest(command: Command, options: CommandOptions): CommandRequest {
  return defined({
    ...(typeof command === "string" ? { shell: validateShell(command) } : { argv: validateArgv(command) }),
    env: options.env === undefined ? undefined : validateEnv(options.env),
    cwd: options.cwd === undefined ? undefined : validateGuestPath(options.cwd),
    user: options.user === undefined ? undefined : validateUser(options.user),
    spill: options.spill === undefined ? undefined : validateGuestPath(options.spill),
    timeout_ms: timeoutOf(options),
    max_output_bytes: options.maxOutputBytes === undefined ? undefined : validateMaxOutputBytes(options.maxOutputBytes),
  });
}

/** How a given stdin goes to the command: inside the request when it is small, through a pipe otherwise. */
export function stdinRequest(stdin: Stdin | undefined): Pick<CommandRequest, "stdin" | "stdin_data"> {
  if (stdin === undefined) return {};
  const bytes = typeof stdin === "string" ? Buffer.from(stdin) : stdin;
  if (!(bytes instanceof Uint8Array) || bytes.length > limits.stdinDataBytes) return { stdin: "pipe" };
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  return { stdin: "data", stdin_data: data };
}
