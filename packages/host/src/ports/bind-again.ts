import type { PortInfo } from "@mvm/protocol";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";

/**
 * Forwards the ports of an adopted sandbox again. One that somebody else has taken meanwhile is lost, which the
 * supervisor's log says and `ports ls` shows; the sandbox itself is not to blame.
 */
export async function bindAgain(sandbox: Sandbox, { session }: Live, ports: readonly PortInfo[]): Promise<void> {
  for (const port of ports) {
    try {
      await sandbox.ports.add(session, port);
    } catch (error) {
      sandbox.logs.event("port_lost", { ...port, detail: (error as Error).message });
    }
  }
}
