import type { PortForwardBody, PortInfo } from "@mvm/protocol";
import type { Policy } from "../admission/policy.js";
import { portQuestions, type Question } from "../admission/questions.js";
import { persist } from "../sandboxes/persist.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { requireLive, unavailable } from "../sandboxes/state.js";
import { bindAddress, isLoopback } from "./address.js";

/**
 * Forwards a port of the host to a port of the guest's loopback, until it is removed or the sandbox is destroyed. Whether
 * anything listens in the guest is found out by each connection.
 * @throws {PolicyDenied} the profile has no ports, or none beyond loopback
 * @throws {InvalidArgumentError} the address is none, or code PORT_UNAVAILABLE
 */
export async function forwardPort(policy: Policy, sandbox: Sandbox, body: PortForwardBody): Promise<PortInfo> {
  const address = bindAddress(body.host_address);
  policy.permit(sandbox.plan, questionsOfForward(body));
  const { session } = requireLive(sandbox, "forward a port of");
  const info = await sandbox.ports.add(session, { ...body, host_address: address });
  if (info === undefined) throw unavailable(sandbox, "forward a port of");
  sandbox.logs.event("port_forwarded", { ...info });
  if (sandbox.detached) keep(sandbox, info);
  return info;
}

/** What a forwarded port wants of policy. @throws {InvalidArgumentError} the address is none */
export function questionsOfForward({ host_address, host_port, guest_port }: PortForwardBody): Question[] {
  const address = bindAddress(host_address);
  return portQuestions({ address, hostPort: host_port, guestPort: guest_port }, isLoopback(address));
}

/** Stops forwarding a port of the host, also one that waits for the sandbox to run again. @throws {InvalidArgumentError} code PORT_NOT_FORWARDED */
export function removePort(sandbox: Sandbox, hostPort: number): void {
  const kept = sandbox.unadopted?.ports.find(({ host_port }) => host_port === hostPort);
  const info = kept ?? sandbox.ports.remove(hostPort);
  if (kept !== undefined && sandbox.unadopted !== null) {
    sandbox.unadopted.ports = sandbox.unadopted.ports.filter((port) => port !== kept);
  }
  sandbox.logs.event("port_removed", { ...info });
  if (sandbox.detached) persist(sandbox);
}

/** A forward the next daemon would not know of is refused now rather than lost then. */
function keep(sandbox: Sandbox, info: PortInfo): void {
  try {
    persist(sandbox);
  } catch (error) {
    sandbox.ports.remove(info.host_port);
    throw error;
  }
}
