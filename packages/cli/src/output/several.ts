import { type ErrorBody, isSandboxError } from "@mvm/protocol/errors";
import { errorDocument, errorLines, exitCodeOf } from "../render/error.js";
import type { Context } from "./context.js";

/** What came of one name: what the call answered, or why it failed. */
type Each<T> = T | { readonly ref: string; readonly error: ErrorBody };

/**
 * Does the same to every name, whatever becomes of the others: those that fail are named on stderr, and the exit code is
 * that of the first of them. Of one name the document is what was answered, and its failure is the command's; of several
 * it is a list under `field`, in the order of the names.
 */
export async function several<T extends object>(
  context: Context,
  field: string,
  refs: readonly string[],
  act: (ref: string) => Promise<T>,
  human: (done: readonly T[]) => string,
): Promise<number> {
  const shown = (done: readonly T[]) => (context.quiet || done.length === 0 ? "" : human(done));
  const [only] = refs;
  if (refs.length === 1 && only !== undefined) {
    const done = await act(only);
    await context.out.result(done, () => shown([done]));
    return 0;
  }
  const results: Each<T>[] = [];
  const done: T[] = [];
  let exit = 0;
  for (const ref of refs) {
    try {
      const answer = await act(ref);
      done.push(answer);
      results.push(answer);
    } catch (error) {
      context.cancellation.signal.throwIfAborted();
      if (!isSandboxError(error)) throw error;
      exit ||= exitCodeOf(error);
      results.push({ ref, error: errorDocument(error).error });
      await context.out.aside(errorLines(error));
    }
  }
  await context.out.result({ [field]: results }, () => shown(done));
  return exit;
}
