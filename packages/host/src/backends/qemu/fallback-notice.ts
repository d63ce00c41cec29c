import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Whether the user is to be told that machines are emulated: the first time under this state root, and again when the
 * reason is another. `doctor` says it at any time, and every result carries its isolation.
 */
export class FallbackNotice {
  readonly #path: string;
  #told: string | undefined;

  /** @param home the state root */
  constructor(home: string) {
    this.#path = join(home, "cache", "emulation-told");
  }

  /** True for the one caller that is to say it. */
  async first(reason: string): Promise<boolean> {
    if (this.#told === reason) return false;
    this.#told = reason;
    if ((await readFile(this.#path, "utf8").catch(() => "")) === reason) return false;
    // What cannot be kept is said again by the next daemon, which harms nobody.
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      .then(() => writeFile(this.#path, reason, { mode: 0o600 }))
      .catch(() => undefined);
    return true;
  }
}
