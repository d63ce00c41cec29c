import type { Check, DoctorReport } from "@mvm/protocol";
import { command, flag } from "../command/define.js";
import { printable } from "../render/escape.js";

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
        .map(lineOf)
        .join("\n"),
    );
    return report.ok ? 0 : 69;
  },
});

function lineOf(check: Check): string {
  const fix = check.fix === null || check.status === "ok" ? "" : `\n      fix: ${printable(check.fix)}`;
  return `${marks[check.status]}  ${printable(`${check.name}: ${check.detail}`)}${fix}`;
}
