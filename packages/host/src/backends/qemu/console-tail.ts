import type { Readable } from "node:stream";

/** How much of the console is kept. Bytes. */
const keptBytes = 4096;

/** Reads a console to its end and keeps what was printed last: what a guest says before it dies is the best hint there is. */
export class ConsoleTail {
  #text = "";

  constructor(console: Readable) {
    console.on("data", (chunk: Buffer) => {
      this.#text = (this.#text + chunk.toString("latin1")).slice(-keptBytes);
    });
    console.on("error", () => undefined);
  }

  /** The last lines, printable characters only. */
  lines(count: number): string {
    const lines = this.#text.replace(/[^\x20-\x7e\n]/g, "").split("\n");
    return lines
      .filter((line) => line.trim() !== "")
      .slice(-count)
      .join(" | ");
  }
}
