/**
 * Host users for machines of a root daemon. The range lies above what distributions, container runtimes and systemd
 * allocate from (https://systemd.io/UIDS-GIDS/), so that nobody else owns files or processes under these numbers.
 */
const first = 1_836_000_000;
const count = 60_000;

/** Gives each running machine a uid of its own, so that one broken QEMU can reach neither the host's files nor its siblings. */
export class UidPool {
  /** The machine that makes a template; one at a time would suffice. */
  readonly templateUid = first;
  readonly #used = new Set<number>();
  #last = first;

  next(): number {
    for (let tries = 0; tries < count; tries++) {
      this.#last = this.#last + 1 >= first + count ? first + 1 : this.#last + 1;
      if (!this.#used.has(this.#last)) break;
    }
    this.#used.add(this.#last);
    return this.#last;
  }

  /** Marks a uid found in use by an adopted machine. */
  take(uid: number): void {
    if (uid > first && uid < first + count) this.#used.add(uid);
  }

  free(uid: number): void {
    this.#used.delete(uid);
  }
}
