import type { Check, DoctorReport } from "@mvm/protocol";
import { command, flag } from "../command/define.js";
import { printable } from "../render/escape.js";
import { wrap } from "../render/wrap.js";

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

export default command({
  summary: "Say what this host has and lacks, without changing it",
  positionals: [],
  options: { refresh: flag("Look again at what was found before") },
  examples: [["doctor", "Lists every check and how to repair what fails"]],
  exits: { 69: "Something that every sandbox needs is missing" },
  run: async ({ options }, context) => {
    const daemon = await context.daemon();
    const query = { refresh: options.refresh || undefined };
    const report = await daemon.call<DoctorReport>({ method: "GET", path: "/doctor", operation: "doctor", query });
    await context.out.result(report, () =>
      report.checks
        .filter((check) => !context.quiet || check.status !== "ok")
        .map((check) => lineOf(check, context.out.stdout.columns))
        .join("\n"),
    );
    return report.ok ? 0 : 69;
  },
});

/** One check; what is longer than the terminal goes on below where it began. */
function lineOf(check: Check, width: number | undefined): string {
  const fitted = (text: string, first: string, rest: string) =>
    width === undefined ? first + printable(text) : wrap(printable(text), width, rest, first);
  const line = fitted(`${check.name}: ${check.detail}`, `${marks[check.status]}  `, "      ");
  if (check.fix === null || check.status === "ok") return line;
  return `${line}\n${fitted(`fix: ${check.fix}`, "      ", "           ")}`;
}
