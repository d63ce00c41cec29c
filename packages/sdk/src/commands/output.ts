/** Passes one output stream to a callback as text. A callback that throws is not called again; the command goes on. */
export class OutputCallback {
  readonly #call: ((text: string) => unknown) | undefined;
  readonly #decoder = new TextDecoder();
  #failure: { readonly error: unknown } | null = null;

  constructor(call: ((text: string) => unknown) | undefined) {
    this.#call = call;
  }

  /** What the callback threw first; null while it did not. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Takes the next bytes; resolves when the callback is done with them. */
  async push(bytes: Uint8Array): Promise<void> {
    await this.#deliver(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Delivers what a character cut off at the end is worth. */
  async end(): Promise<void> {
    await this.#deliver(this.#decoder.decode());
  }

  async #deliver(text: string): Promise<void> {
    if (text === "" || this.#call === undefined || this.#failure !== null) return;
    try {
      await this.#call(text);
    } catch (error) {
      this.#failure = { error };
    }
  }
}
