import type { Sink } from "./sink.js";

/** How results are to be shown. */
export interface OutputMode {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** The two streams of the command, and the rules of what goes where. */
export class Output {
  readonly #noted = new Set<string>();

  constructor(
    readonly mode: OutputMode,
    readonly stdout: Sink,
    readonly stderr: Sink,
  ) {}

  /** The result: `document` with `--json`, else the text `human` makes. */
  async result(document: object, human: () => string): Promise<void> {
    if (this.mode.json) return this.jsonLine({ schema_version: 1, ...document });
    const text = human();
    if (text !== "") await this.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
  }

  /** One JSON object on a line of its own. */
  jsonLine(value: object): Promise<void> {
    return this.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Text on stderr that nothing depends on: where it cannot be written it is lost. */
  async aside(text: string): Promise<void> {
    await this.stderr.write(text).catch(() => undefined);
  }

  /** Something to know about how the command was carried out, on stderr, each one once. */
  async note(message: string): Promise<void> {
    if (this.mode.quiet || this.#noted.has(message)) return;
    this.#noted.add(message);
    await this.aside(`mvmctl: note: ${message}\n`);
  }
}
