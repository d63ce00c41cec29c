import {
  InvalidArgumentError,
  limits,
  validateArgv,
  validateEnv,
  validateGuestPath,
  validateShell,
  validateUser,
  type CommandRequest,
  type ExecRequest,
} from "@mvm/protocol";

/** A command request checked and with every default filled in. */
export interface CommandSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: string;
  readonly timeoutMs: number | null;
  readonly stdin: "none" | "pipe";
  /** Written and closed at once; null when stdin stays open for the stdin call. */
  readonly stdinData: Buffer | null;
  readonly maxOutputBytes: number;
  readonly stream: boolean;
  readonly background: boolean;
  /** File of the guest that gets the whole output; null for none. */
  readonly spill: string | null;
  readonly pty: { readonly rows: number; readonly cols: number } | null;
}

/** Home and default working directory of every guest. */
const home = "/home/user";

/** Where a command runs, and as whom, when it does not say. */
export interface CommandDefaults {
  readonly cwd: string | null;
  readonly user: string | null;
}

/**
 * @param defaults those of the sandbox's image
 * @throws {InvalidArgumentError} what the schema cannot say: exclusive fields, bytes, paths
 */
export function commandSpec(request: CommandRequest, defaults?: CommandDefaults): CommandSpec {
  if ((request.argv === undefined) === (request.shell === undefined)) {
    throw refuse("exactly one of argv and shell has to be given", "/argv");
  }
  const stdin = request.stdin ?? "none";
  if ((stdin === "data") !== (request.stdin_data !== undefined)) {
    throw refuse('stdin_data goes with stdin "data", and only with it', "/stdin_data");
  }
  return {
    argv: request.argv === undefined ? ["/bin/sh", "-lc", validateShell(request.shell)] : validateArgv(request.argv),
    env: validateEnv(request.env ?? {}),
    cwd: validateGuestPath(request.cwd ?? defaults?.cwd ?? home),
    user: validateUser(request.user ?? defaults?.user ?? "user"),
    timeoutMs: request.timeout_ms ?? null,
    stdin: stdin === "none" ? "none" : "pipe",
    stdinData: request.stdin_data === undefined ? null : decode(request.stdin_data),
    maxOutputBytes: request.max_output_bytes ?? limits.outputDefaultBytes,
    stream: request.stream ?? false,
    background: request.background ?? false,
    spill: request.spill === undefined ? null : validateGuestPath(request.spill),
    pty: request.pty ?? null,
  };
}

/** The agent's request for a command. */
export function execRequest(spec: CommandSpec): ExecRequest {
  return {
    op: "exec",
    argv: [...spec.argv],
    env: { ...spec.env },
    cwd: spec.cwd,
    user: spec.user,
    stdin: spec.stdin,
    timeout_ms: spec.timeoutMs,
    grace_ms: limits.killGraceMs,
    pty: spec.pty && { ...spec.pty },
    ...(spec.spill !== null && { spill: spec.spill }),
  };
}

function decode(base64: string): Buffer {
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw refuse("stdin_data is not base64", "/stdin_data");
  return Buffer.from(base64, "base64");
}

function refuse(problem: string, pointer: string): InvalidArgumentError {
  return new InvalidArgumentError({ message: `Cannot run the command: ${problem}`, context: { pointer } });
}
