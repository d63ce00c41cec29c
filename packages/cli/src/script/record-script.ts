import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createError } from "@mvm/protocol/errors";
import type { Context } from "../output/context.js";
import { showWorkloadDecision } from "../workload/decision.js";
import { showProblems } from "../workload/problems.js";
import { readDocument } from "../workload/sources.js";
import { startScript } from "./start-script.js";

/**
 * Runs a script that starts nothing and whose sandbox becomes a workload: prints that, or with mode `plan` what policy says
 * to it. What the script itself prints goes to stderr. Returns the exit code: the script's own unless it is 0.
 */
export async function recordScript(
  mode: "plan" | "record",
  script: string,
  argv: readonly string[],
  context: Context,
): Promise<number> {
  const asked = mode === "record" ? process.env["MVM_SDK_OUT_PATH"] : undefined;
  const directory = mkdtempSync(join(tmpdir(), "mvm-record-"));
  try {
    const out = asked === undefined || asked === "" ? join(directory, "workload.json") : resolve(asked);
    rmSync(out, { force: true });
    const code = await startScript(script, argv, { MVM_SDK_MODE: "record", MVM_SDK_OUT_PATH: out }, "stderr", context);
    if (code !== 0) {
      rmSync(out, { force: true });
      return code;
    }
    if (!existsSync(out)) throw nothingRecorded(script);
    const { workload, problems } = readDocument(out);
    if (workload === null) return await showProblems(script, problems, context);
    if (mode === "plan") return await showWorkloadDecision(workload, context);
    const { compiledDocument } = await import("@mvm/declare");
    await context.out.jsonLine(compiledDocument(workload));
    return 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function nothingRecorded(script: string) {
  return createError("VERIFICATION_FAILED", {
    message: `Cannot record ${JSON.stringify(script.slice(0, 128))}: it ended without a recorded sandbox`,
    hint: "The script has to make a sandbox with Sandbox.create, and to let no RecordModeError pass",
  });
}
