import type { CommandResult } from "@mvm/protocol";
import type { CallOptions, Target } from "../sandbox/target.js";
import { connect, list, type ProcessInfo } from "./list.js";
import type { Command, RunOptions, StartOptions } from "./options.js";
import type { Process } from "./process.js";
import { run } from "./run.js";
import { start } from "./start.js";

/** Commands of one sandbox. An array is program and arguments without a shell, a string is run by `/bin/sh -lc`. */
export class Commands {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Runs a command to its end and returns its result, whatever its exit status. */
  run(command: Command, options?: RunOptions): Promise<CommandResult> {
    return run(this.#target, command, options);
  }

  /** Starts a command and returns while it runs. */
  start(command: Command, options?: StartOptions): Promise<Process> {
    return start(this.#target, command, options);
  }

  /** The commands of the sandbox. */
  list(options?: CallOptions): Promise<ProcessInfo[]> {
    return list(this.#target, options);
  }

  /** A handle to a command that was started before, by this or another process. */
  connect(pid: number, options?: CallOptions): Promise<Process> {
    return connect(this.#target, pid, options);
  }
}
