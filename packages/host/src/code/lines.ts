import { limits, type RunnerLine } from "@mvm/protocol";
import { parseMessage } from "@mvm/protocol/frames";
import { checker, RunnerLineSchema } from "@mvm/protocol/schemas";

/** A claim in base64 and what is around it. */
const maxLineBytes = Math.ceil(limits.codeClaimBytes / 3) * 4 + 64 * 1024;

const checkLine = checker(RunnerLineSchema, "line of a runner");

/** Splits what a runner writes into lines and checks each. */
export class RunnerLines {
  #parts: Buffer[] = [];
  #size = 0;

  /** The complete lines; null stands for one that is none of the protocol's. @throws a line is longer than any may be */
  push(data: Uint8Array): (RunnerLine | null)[] {
    const lines: (RunnerLine | null)[] = [];
    let rest = Buffer.from(data);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#keep(rest.subarray(0, end));
      const line = Buffer.concat(this.#parts, this.#size);
      this.#parts = [];
      this.#size = 0;
      rest = rest.subarray(end + 1);
      if (line.length > 0) lines.push(parsed(line));
    }
    this.#keep(rest);
    return lines;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > maxLineBytes) throw new Error(`a line of more than ${maxLineBytes} bytes`);
    if (part.length > 0) this.#parts.push(part);
  }
}

function parsed(line: Buffer): RunnerLine | null {
  try {
    // Lines with data are longer than a message of the channel may be; their shape is checked all the same.
    return checkLine(line.length > limits.messageBytes ? JSON.parse(line.toString()) : parseMessage(line));
  } catch {
    return null;
  }
}
