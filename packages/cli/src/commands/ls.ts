import type { SandboxInfoDocument } from "@mvm/protocol";
import { sandboxStates } from "@mvm/protocol";
import { choice } from "../args/choice.js";
import { tag } from "../args/tag.js";
import { command, option } from "../command/define.js";
import { type Column, table } from "../render/table.js";
import { bytes, span } from "../render/units.js";
import { portText } from "../sandbox/ports.js";
import { accelOf, stateOf, ttlLeft } from "../sandbox/describe.js";

const columns: readonly Column<SandboxInfoDocument>[] = [
  { heading: "NAME", cell: (sandbox) => sandbox.name ?? "" },
  { heading: "ID", cell: (sandbox) => sandbox.id },
  { heading: "STATE", cell: stateOf },
  { heading: "IMAGE", cell: (sandbox) => sandbox.image.name },
  { heading: "BACKEND/ACCEL", cell: accelOf, least: 8 },
  { heading: "AGE", cell: (sandbox) => span(Date.now() - Date.parse(sandbox.created_at)), least: 3 },
  { heading: "TTL LEFT", cell: (sandbox) => ttlLeft(sandbox) },
  { heading: "PORTS", cell: ({ ports }) => ports.map(portText).join(" ") },
  { heading: "MEMORY", cell: (sandbox) => bytes(sandbox.memory_mb * 1024 * 1024), least: 4 },
];

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
    const daemon = await context.daemon();
    const { sandboxes } = await daemon.call<{ sandboxes: SandboxInfoDocument[] }>({
      method: "GET",
      path: "/sandboxes",
      operation: "sandboxes.list",
      query,
    });
    await context.out.result({ sandboxes }, () => table(sandboxes, columns, context.out.stdout.columns));
  },
});
