import type { PortInfo } from "@mvm/protocol";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import { questionsOfForward } from "./forward.js";

/**
 * Forwards the ports of a sandbox again: it was adopted, started or woken. One that somebody else has taken meanwhile, or
 * that policy no longer allows, is lost, which the supervisor's log says and `ports ls` shows; the sandbox itself is not to
 * blame.
 */
export async function bindAgain(
  { policy }: Pick<Services, "policy">,
  sandbox: Sandbox,
  { session }: Live,
  ports: readonly PortInfo[],
): Promise<void> {
  for (const port of ports) {
    try {
      (await policy.current()).permit(sandbox.plan, questionsOfForward(port));
      await sandbox.ports.add(session, port);
    } catch (error) {
      sandbox.logs.event("port_lost", { ...port, detail: (error as Error).message });
    }
  }
}

/** What a machine that is let go of leaves to the sandbox's next one. */
export function keepPorts(sandbox: Sandbox): void {
  const ports = sandbox.unadopted?.ports ?? sandbox.ports.list();
  sandbox.unadopted = ports.length === 0 ? null : { background_pids: [], ports };
}

/** Forwards what {@link keepPorts} has kept. */
export async function bindKept(services: Pick<Services, "policy">, sandbox: Sandbox): Promise<void> {
  const { live, unadopted } = sandbox;
  if (live === null || unadopted === null) return;
  sandbox.unadopted = null;
  await bindAgain(services, sandbox, live, unadopted.ports);
}
