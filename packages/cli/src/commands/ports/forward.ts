import type { PortInfo } from "@mvm/protocol";
import { portBinding } from "../../args/port-binding.js";
import { sandboxRef } from "../../args/sandbox-ref.js";
import { command, word } from "../../command/define.js";
import { sandboxPath } from "../../daemon/daemon.js";
import { printable } from "../../render/escape.js";
import { hostEnd } from "../../sandbox/ports.js";

export default command({
  summary: "Forward a port of this host into a sandbox",
  description: [
    "Connections to the host's port reach the guest's port on its loopback, until the forward is removed or the sandbox ends. Host port 0 takes any that is free. Without HOSTADDR only this host can connect; other addresses than loopback need profile permissive.",
  ],
  positionals: [
    word("NAME", sandboxRef, "Name or id of the sandbox"),
    word("BINDING", portBinding, "Both ends, such as 8080:80 or [::1]:8080:80"),
  ],
  options: {},
  examples: [
    ["ports forward devbox 8080:80", "Port 80 of devbox answers at 127.0.0.1:8080"],
    ["ports forward devbox 0:8000 --json | jq .host_port", "Takes any free port and prints it"],
  ],
  run: async ({ words: [name, json] }, context) => {
    const daemon = await context.daemon();
    const port = await daemon.call<PortInfo>({
      method: "POST",
      path: sandboxPath(name, "ports"),
      operation: "ports.forward",
      json,
    });
    const url = `http://${hostEnd(port)}`;
    await context.out.result({ ...port, url }, () =>
      context.quiet ? hostEnd(port) : printable(`${hostEnd(port)} leads to port ${port.guest_port} of ${name}`),
    );
  },
});
