import type { MetricsDocument, SandboxMetricsDocument, TallyDocument } from "@mvm/protocol";
import { sandboxRef } from "../args/sandbox-ref.js";
import { command, optionalWord } from "../command/define.js";
import { sandboxPath } from "../daemon/daemon.js";
import { printable } from "../render/escape.js";
import { facts } from "../render/facts.js";
import { type Column, table } from "../render/table.js";
import { bytes, milliseconds, span } from "../render/units.js";

export default command({
  summary: "Show numbers of one sandbox, or of the daemon and all sandboxes",
  description: [
    "Numbers are measured by the host, but for those under guest, which a sandbox claims of itself. Counts of the daemon begin with its start. The same numbers are served to Prometheus at /metrics of the daemon's socket.",
  ],
  positionals: [optionalWord("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [
    ["metrics", "Shows what the sandboxes use and how starts, commands and builds went"],
    [
      "metrics devbox --json | jq .host.pss_bytes",
      "Prints the memory devbox takes on this host, its share of what it has in common with others",
    ],
  ],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    if (name !== undefined) {
      const numbers = await daemon.call<SandboxMetricsDocument>({
        method: "GET",
        path: sandboxPath(name, "metrics"),
        operation: "sandboxes.metrics",
      });
      return context.out.result(numbers, () => facts(numbers, context.out.stdout.columns));
    }
    const numbers = await daemon.call<MetricsDocument>({ method: "GET", path: "/metrics", operation: "metrics" });
    await context.out.result(numbers, () => human(numbers, context.out.stdout.columns));
  },
});

type Row = MetricsDocument["sandboxes"][number];

const columns: readonly Column<Row>[] = [
  { heading: "NAME", cell: ({ name, sandbox_id }) => name ?? sandbox_id, least: 16 },
  { heading: "STATE", cell: ({ state }) => state, least: "whole" },
  { heading: "UP", cell: ({ host }) => span(host.uptime_ms), least: "whole" },
  { heading: "CPU", cell: ({ host }) => (host.cpu_ms === null ? "" : milliseconds(host.cpu_ms)), least: "whole" },
  { heading: "MEMORY", cell: ({ host }) => memory(host.pss_bytes ?? host.rss_bytes), least: "whole" },
  { heading: "DISK", cell: ({ host }) => (host.disk_bytes === null ? "" : bytes(host.disk_bytes)), least: "whole" },
  {
    heading: "NET IN/OUT",
    cell: ({ network: of }) => `${bytes(of.bytes_to_guest)}/${bytes(of.bytes_from_guest)}`,
    least: "whole",
  },
  { heading: "COMMANDS", cell: ({ commands }) => String(commands.running + commands.ended), least: "whole" },
];

const memory = (amount: number | null): string => (amount === null ? "" : bytes(amount));

function human({ runtime, sandboxes, commands, builds }: MetricsDocument, width: number | undefined): string {
  const daemon = `${span(runtime.uptime_ms)} up, ${bytes(runtime.rss_bytes)} of memory, ${runtime.queue_depth} starts waiting`;
  const counts = [
    `daemon: ${daemon}`,
    `starts: ${byResult(runtime.starts)}`,
    `commands: ${byResult(commands.ended)}`,
    `images: ${byResult(builds.images)}; templates: ${byResult(builds.templates)}`,
  ]
    .map(printable)
    .join("\n");
  return sandboxes.length === 0 ? counts : `${counts}\n\n${table(sandboxes, columns, width)}`;
}

function byResult(rows: readonly TallyDocument[]): string {
  const sums = new Map<string, number>();
  for (const { result = "other", value } of rows) sums.set(result, (sums.get(result) ?? 0) + value);
  return sums.size === 0 ? "none" : [...sums].map(([result, value]) => `${value} ${result}`).join(", ");
}
