import type { GcResult } from "@mvm/protocol";
import { command, flag } from "../command/define.js";
import { table } from "../render/table.js";
import { bytes } from "../render/units.js";

export default command({
  summary: "Remove what no sandbox, image or template needs any more",
  positionals: [],
  options: { "dry-run": flag("Only say what would be removed") },
  examples: [["gc --dry-run", "Lists what would be removed"]],
  run: async ({ options }, context) => {
    const dryRun = options["dry-run"];
    const daemon = await context.daemonOfContents();
    const result = (await daemon?.call<GcResult>({
      method: "POST",
      path: "/gc",
      operation: "gc",
      json: { dry_run: dryRun },
    })) ?? { removed: [], bytes: 0 };
    await context.out.result({ ...result, dry_run: dryRun }, () =>
      context.quiet ? "" : human(result, dryRun, context.out.stdout.columns),
    );
  },
});

function human(result: GcResult, dryRun: boolean, width: number | undefined): string {
  const sum = `${dryRun ? "would free" : "freed"} ${bytes(result.bytes)}`;
  if (result.removed.length === 0) return "nothing to remove";
  const rows = table(
    result.removed,
    [
      { heading: "KIND", cell: ({ kind }) => kind, least: "whole" },
      { heading: "SIZE", cell: (item) => bytes(item.bytes), least: "whole" },
      { heading: "PATH", cell: ({ path }) => path, least: 30, rank: 0 },
    ],
    width,
  );
  return `${rows}\n${sum}`;
}
