import type { Readable } from "node:stream";
import type { TerminalSize } from "@mvm/protocol";
import type { CallOptions } from "../sandbox/target.js";

/** A command: an array is program and arguments without a shell, a string is run by `/bin/sh -lc`. */
export type Command = string | readonly string[];

/** What a command reads: whole, or as it comes. */
export type Stdin = string | Uint8Array | Readable | AsyncIterable<string | Uint8Array>;

/** How a command is run. */
export interface CommandOptions extends CallOptions {
  /** @default the home directory of the user */
  readonly cwd?: string | undefined;
  /** Laid over the sandbox's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** `user`, `root`, another name, `UID` or `UID:GID`. @default "user" */
  readonly user?: string | undefined;
  /** Kill the command after so many seconds; the result then has `timedOut: true`. @default no limit but the sandbox's */
  readonly timeoutSeconds?: number | undefined;
  /** The same in milliseconds. Give one of the two. */
  readonly timeoutMs?: number | undefined;
  /** Bytes kept of each output, head and tail. @default 1 048 576 */
  readonly maxOutputBytes?: number | undefined;
  /**
   * File in the guest that gets the whole output, both streams as they come, however much of it is kept here. Made new or
   * emptied. The result's `spillBytes` is less than both byte counts together when the guest's disk was full.
   */
  readonly spill?: string | undefined;
}

/** Options for `commands.run`. */
export interface RunOptions extends CommandOptions {
  /** @default nothing: the command reads an end of file at once */
  readonly stdin?: Stdin | undefined;
  /** Called with output as it comes. The command is held up while a promise it returns is pending. */
  readonly onStdout?: ((text: string) => unknown) | undefined;
  readonly onStderr?: ((text: string) => unknown) | undefined;
  /** Throw `CommandFailed` or `Timeout`, with the result, unless it exits with 0. @default false */
  readonly check?: boolean | undefined;
}

/** Options for `commands.start`. */
export interface StartOptions extends CommandOptions {
  /** `pipe`: `writeStdin` feeds it and `closeStdin` ends it. `none`: it reads an end of file at once. @default "pipe" */
  readonly stdin?: "pipe" | "none" | undefined;
  /** Run it on a terminal of that size; its output is all stdout then. */
  readonly pty?: TerminalSize | undefined;
}
