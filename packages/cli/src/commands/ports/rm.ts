import { hostPort } from "../../args/port-binding.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Stop forwarding a port; its connections end",
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    word("HOSTPORT", hostPort, "The port of this host"),
  ],
  options: {},
  examples: [["ports rm devbox 8080", "Nothing listens on port 8080 any more"]],
  run: async ({ words: [name, port] }, context) => {
    const daemon = await context.daemon();
    await daemon.call({
      method: "DELETE",
      path: sandboxPath(name, "ports", String(port)),
      operation: "ports.remove",
    });
    await context.out.result({ host_port: port, removed: true }, () =>
      context.quiet ? "" : printable(`Port ${port} no longer leads to ${name}`),
    );
  },
});
