import { createError } from "@mvm/protocol/errors";
import type { Context } from "../output/context.js";
import { errorLines } from "../render/error.js";

/** Exit code of evidence that does not verify. */
const failedExit = 65;

/** Shows what does not verify and why: one document with `--json`, and the error on stderr. Returns the exit code. */
export async function verificationFailed(
  context: Context,
  what: string,
  verdict: { readonly reason: string; readonly detail: string } & Record<string, unknown>,
): Promise<number> {
  const { reason, detail } = verdict;
  const error = createError("VERIFICATION_FAILED", {
    message: `Cannot verify ${what}: ${detail} (${reason})`,
    context: { reason },
  });
  if (context.json) await context.out.result({ ...verdict, ok: false, error: error.toDocument().error }, () => "");
  await context.out.aside(errorLines(error));
  return failedExit;
}
