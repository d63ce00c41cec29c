import type { BootReport } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, word } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { printable } from "../render/escape.js";
import { table } from "../render/table.js";
import { milliseconds } from "../render/units.js";

export default command({
  summary: "Show where the time of a sandbox's start went, and how it is confined",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["boot-report devbox", "Lists the phases of its start"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    const report = await daemon.call<BootReport>({
      method: "GET",
      path: sandboxPath(name, "boot-report"),
      operation: "sandboxes.bootReport",
    });
    await context.out.result(report, () => human(report, context.out.stdout.columns));
  },
});

function human(report: BootReport, width: number | undefined): string {
  const phases = table(
    report.phases,
    [
      { heading: "PHASE", cell: ({ phase }) => phase },
      { heading: "TIME", cell: ({ ms }) => milliseconds(ms) },
    ],
    width,
  );
  const measures = table(
    report.confinement,
    [
      { heading: "CONFINEMENT", cell: ({ name }) => name },
      { heading: "ACTIVE", cell: ({ active }) => (active ? "yes" : "no") },
      { heading: "DETAIL", cell: ({ detail }) => detail },
    ],
    width,
  );
  const how = `${report.start} start in ${milliseconds(report.total_ms)}, ${report.accel}, isolation: ${report.isolation}`;
  return `${printable(how)}\n\n${phases}\n\n${measures}`;
}
