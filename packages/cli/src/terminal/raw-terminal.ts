import { spawnSync } from "node:child_process";
import type { TerminalSize } from "@mvm/protocol";
import { limits } from "@mvm/protocol";
import { invalidArgument, usageError } from "../errors.js";
import type { Context } from "../output/context.js";

/** Size of a terminal nobody can ask: what every program expects of an unknown one. */
const unknownSize: TerminalSize = { rows: 24, cols: 80 };

/** Throws `InvalidArgumentError` unless keys can be read from a terminal and shown as they are. */
export function requireTerminal(verb: string, context: Context): void {
  if (context.json) {
    throw usageError(
      `Cannot use --json with ${verb}: a terminal's output is no document`,
      "Run the command without a terminal: `mvmctl exec NAME --json -- ARGV`",
    );
  }
  if (process.stdin.isTTY) return;
  throw invalidArgument(
    `Cannot attach a terminal with ${verb}: stdin is not a terminal`,
    "Run the command without one: `mvmctl exec NAME -- ARGV`",
  );
}

/** Rows and columns of our terminal, within what a guest's terminal may have. */
export function terminalSize(): TerminalSize {
  const { rows, columns } = [process.stdout, process.stderr].find(({ isTTY }) => isTTY) ?? {};
  const within = (value: number | undefined, most: number, otherwise: number): number =>
    value === undefined || value < 1 ? otherwise : Math.min(value, most);
  return {
    rows: within(rows, limits.terminalRows, unknownSize.rows),
    cols: within(columns, limits.terminalColumns, unknownSize.cols),
  };
}

/**
 * Hands every key to the guest, ^C and ^Z among them, until `restore` is called. Node restores the terminal as well when
 * the process exits or a signal ends it; only SIGKILL leaves it raw, for `stty sane`.
 */
export class RawTerminal {
  readonly #onResize: () => void;
  readonly #onContinue: () => void;

  /** @param resized called with the new size after every change, and when the process goes on after a stop */
  constructor(resized: (size: TerminalSize) => void) {
    this.#onResize = () => resized(terminalSize());
    // A shell that stopped us has put its own settings back in between.
    this.#onContinue = () => {
      makeRaw();
      this.#onResize();
    };
    makeRaw();
    process.on("SIGWINCH", this.#onResize);
    process.on("SIGCONT", this.#onContinue);
  }

  restore(): void {
    process.off("SIGWINCH", this.#onResize);
    process.off("SIGCONT", this.#onContinue);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

/**
 * Node's raw mode still adds a carriage return to every line feed, and a full-screen program that moves the cursor down
 * with line feeds would be drawn askew. Node puts back all settings, this one too.
 */
function makeRaw(): void {
  process.stdin.setRawMode(true);
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}
