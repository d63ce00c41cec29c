import { Timeout } from "@mvm/protocol";

/**
 * The promise, or a Timeout that names the phase once the deadline has passed. The work itself goes on: whoever calls
 * this ends it.
 */
export async function within<T>(work: Promise<T>, deadlineMs: number, phase: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new Timeout({
          message: `Cannot finish phase "${phase}": it took more than ${deadlineMs} ms`,
          context: { phase, deadline_ms: deadlineMs },
        }),
      );
    }, deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
