import { closeSync, constants, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { InvalidArgumentError } from "@mvm/protocol";
import { systemReason } from "../errors.js";

/**
 * The file a receipt will be written to, made before the run: what exists already is never overwritten, and a place
 * that cannot be written to is known before anything runs. 0600.
 * @throws {InvalidArgumentError} the path exists, in whatever form, or cannot be made
 */
export class ReceiptFile {
  private constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  static create(path: string): ReceiptFile {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    try {
      return new ReceiptFile(path, openSync(path, flags, 0o600));
    } catch (error) {
      const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
      throw new InvalidArgumentError({
        message: `Cannot write a receipt to ${JSON.stringify(path)}: ${exists ? "it exists already" : systemReason(error)}`,
        hint: "Name a file that does not exist, in a directory that does",
        cause: error,
      });
    }
  }

  /** Writes the receipt durably; once. */
  write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.byteLength;) at += writeSync(this.fd, bytes, at);
      fsyncSync(this.fd);
    } finally {
      closeSync(this.fd);
    }
  }

  /** There is nothing to write: removes the empty file. */
  discard(): void {
    closeSync(this.fd);
    unlinkSync(this.path);
  }
}
