/** Longest delay Node's timers take; a longer one would fire at once. Milliseconds. */
const maxDelayMs = 2 ** 31 - 1;

/** A timer for any delay, on the monotonic clock: steps of the wall clock do not move it. Does not keep the process alive. */
export function longTimer(delayMs: number, action: () => void): { cancel(): void } {
  const end = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const left = end - performance.now();
    timer = setTimeout(left > maxDelayMs ? arm : action, Math.max(0, Math.min(left, maxDelayMs)));
    timer.unref();
  };
  arm();
  return { cancel: () => clearTimeout(timer) };
}
