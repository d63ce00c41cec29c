import type { PortInfo, PortListDocument } from "@mvm/protocol";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { type Column, table } from "../../render/table.js";

const columns: readonly Column<PortInfo>[] = [
  { heading: "ADDRESS", cell: (port) => port.host_address },
  { heading: "HOST PORT", cell: (port) => String(port.host_port) },
  { heading: "GUEST PORT", cell: (port) => String(port.guest_port) },
];

export default command({
  summary: "List the ports that lead into a sandbox",
  positionals: [word("NAME", sandboxRef, "Name or id of the sandbox")],
  options: {},
  examples: [["ports ls devbox", "Lists what is forwarded to devbox"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    const list = await daemon.call<PortListDocument>({
      method: "GET",
      path: sandboxPath(name, "ports"),
      operation: "ports.list",
    });
    await context.out.result(list, () => table(list.ports, columns, context.out.stdout.columns));
  },
});
