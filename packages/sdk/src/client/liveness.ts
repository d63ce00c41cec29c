/** What {@link watchSilence} needs to know and may do. */
export interface Watched {
  /** Whether silence still matters; false ends the watch. */
  readonly wanted: () => boolean;
  /** Bytes that came so far: as long as this grows the other end is alive. */
  readonly bytes: () => number;
  /** Asks the other end in another way; rejects when it does not answer. */
  readonly ask: () => Promise<unknown>;
  /** Called once, when it was silent and did not answer. */
  readonly fail: () => void;
}

/**
 * Watches a stream that may rightly be silent for hours: after each `timeoutMs` of silence the other end is asked, and
 * only if it does not answer the stream has failed. Returns what ends the watch. Keeps no process alive.
 */
export function watchSilence(timeoutMs: number, watched: Watched): () => void {
  let stopped = false;
  let seen = -1;
  const check = async () => {
    if (!watched.wanted()) return;
    const bytes = watched.bytes();
    if (bytes === seen) {
      try {
        await watched.ask();
      } catch {
        if (!stopped) watched.fail();
        return;
      }
    }
    seen = bytes;
    if (!stopped) timer.refresh();
  };
  const timer = setTimeout(() => void check(), timeoutMs);
  timer.unref();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
