/** A file could not be read. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** How long the server wants to be left alone, in milliseconds. */
  readonly afterMs: number | undefined;
  /** @param kind `missing`: there is no such file; `transient`: trying again may help; `permanent`: it will not */
  constructor(
    readonly kind: "missing" | "transient" | "permanent",
    message: string,
    options: ErrorOptions & { afterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.afterMs = options.afterMs;
  }
}
