/** The 16 bytes a session begins with: `\0mvm-sync\r\n\x1a\0\xffv1`. Their first byte is no magic, so they stand where a header could. */
export const syncBytes: Readonly<Uint8Array> = Uint8Array.of(
  0x00,
  0x6d,
  0x76,
  0x6d,
  0x2d,
  0x73,
  0x79,
  0x6e,
  0x63,
  0x0d,
  0x0a,
  0x1a,
  0x00,
  0xff,
  0x76,
  0x31,
);

/** After a mismatch at position i, matching goes on at `fallback[i]` (Knuth-Morris-Pratt). */
const fallback = (() => {
  const table = new Uint8Array(syncBytes.length + 1);
  for (let i = 1, k = 0; i < syncBytes.length; i++) {
    while (k > 0 && syncBytes[i] !== syncBytes[k]) k = table[k] ?? 0;
    if (syncBytes[i] === syncBytes[k]) k++;
    table[i + 1] = k;
  }
  return table;
})();

/** Finds the sync bytes in a stream of chunks, wherever it is split. */
export class SyncScanner {
  #matched = 0;

  /** Index just after the sync bytes in the chunk, or -1 when they are not complete in it. Starts looking at `from`. */
  find(chunk: Uint8Array, from: number): number {
    let matched = this.#matched;
    for (let at = from; at < chunk.length; at++) {
      if (matched === 0) {
        at = chunk.indexOf(0, at);
        if (at === -1) break;
      }
      const byte = chunk[at];
      while (matched > 0 && byte !== syncBytes[matched]) matched = fallback[matched] ?? 0;
      if (byte === syncBytes[matched]) matched++;
      if (matched === syncBytes.length) {
        this.#matched = 0;
        return at + 1;
      }
    }
    this.#matched = matched;
    return -1;
  }

  /** Forgets a partial match. */
  reset(): void {
    this.#matched = 0;
  }
}
