/** What went wrong with an image or a boot asset; the host maps each kind to one row of the error table. */
export type ImageErrorKind = "not_found" | "checksum" | "download" | "build" | "dependency" | "invalid";

/** The only error this package throws on purpose. `hint` is the next step, for a person. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly kind: ImageErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ImageErrorKind, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.kind = kind;
    this.hint = options.hint;
  }
}
