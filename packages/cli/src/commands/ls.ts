import type { SandboxInfoDocument } from "@mvm/protocol";
import { sandboxStates } from "@mvm/protocol";
import { choice } from "../args/choice.js";
import { tag } from "../args/tag.js";
import { command, option } from "../command/define.js";
import { type Column, table } from "../render/table.js";
import { bytes, span } from "../render/units.js";
import { portText } from "../sandbox/ports.js";
import { accelOf, stateOf, ttlLeft } from "../sandbox/describe.js";

/** Without a name the id is what the other verbs are told, so it comes first; else it is the first to go. */
function columnsOf(sandboxes: readonly SandboxInfoDocument[]): readonly Column<SandboxInfoDocument>[] {
  const named = sandboxes.every(({ name }) => name !== null);
  return [
    { heading: "NAME", cell: (sandbox) => sandbox.name ?? "", least: 16, rank: 0 },
    { heading: "ID", cell: (sandbox) => sandbox.id, least: "whole", rank: named ? 6 : 0 },
    { heading: "STATE", cell: stateOf, least: "whole", rank: 1 },
    { heading: "IMAGE", cell: (sandbox) => sandbox.image.name, least: 8, rank: 2 },
    { heading: "BACKEND", cell: accelOf, least: "whole", rank: 4 },
    { heading: "AGE", cell: (sandbox) => span(Date.now() - Date.parse(sandbox.created_at)), least: "whole", rank: 3 },
    { heading: "TTL", cell: (sandbox) => ttlLeft(sandbox), least: "whole", rank: 2 },
    { heading: "PORTS", cell: ({ ports }) => ports.map(portText).join(" "), least: 21, rank: 4 },
    { heading: "MEMORY", cell: ({ memory_mb: mb }) => bytes(mb * 1024 * 1024), least: "whole", rank: 5 },
  ];
}

export default command({
  summary: "List the sandboxes",
  positionals: [],
  options: {
    tag: option(tag, "Only those with this label"),
    state: option(choice("STATE", sandboxStates), "Only those in this state"),
  },
  examples: [
    ["ls", "Lists every sandbox of this state root"],
    ["ls --json | jq -r '.sandboxes[].id'", "Prints their ids"],
  ],
  run: async ({ options }, context) => {
    const query = { tag: options.tag?.join("="), state: options.state };
    const daemon = await context.daemonOfContents();
    const { sandboxes } = (await daemon?.call<{ sandboxes: SandboxInfoDocument[] }>({
      method: "GET",
      path: "/sandboxes",
      operation: "sandboxes.list",
      query,
    })) ?? { sandboxes: [] };
    await context.out.result({ sandboxes }, () => table(sandboxes, columnsOf(sandboxes), context.out.stdout.columns));
  },
});
