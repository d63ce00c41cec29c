import { createError } from "@mvm/protocol/errors";
import type { Context } from "../output/context.js";
import { printable } from "../render/escape.js";
import type { FileProblem } from "./sources.js";

/** Exit code of a workload that cannot be used. */
const invalidExit = 65;

/** Shows what is wrong, a line each on stderr, and one document with `--json`. Returns the exit code. */
export async function showProblems(file: string, problems: readonly FileProblem[], context: Context): Promise<number> {
  if (context.json) {
    const error = createError("VERIFICATION_FAILED", {
      message: `Cannot use ${JSON.stringify(file)} as a workload: ${problems.length} problem(s)`,
      hint: "Mend what `problems` names",
    });
    await context.out.result({ ok: false, problems, error: error.toDocument().error }, () => "");
  }
  const lines = problems.map(({ code, detail, line, column, path }) => {
    const place = line === undefined ? (path ?? "") : `${line}:${column ?? 1}`;
    return `${printable(`${file}:${place}: ${code} ${detail}`)}\n`;
  });
  await context.out.aside(lines.join(""));
  return invalidExit;
}
