import { setImmediate as yielded } from "node:timers/promises";
import type { NetworkPolicyDocument } from "@mvm/protocol";
import { denyAll } from "../admission/canonical-network.js";
import type { Policy } from "../admission/policy.js";
import { networkQuestions, portQuestions } from "../admission/questions.js";
import type { Egress } from "../egress/egress.js";
import { isLoopback } from "../ports/address.js";
import { removePort } from "../ports/forward.js";
import type { Live, Sandbox } from "./sandbox.js";
import type { Services } from "./services.js";

/** How often the operator's files are looked at while a sandbox has connections: a change counts within a second. */
const lookEveryMs = 300;

/** What a sandbox's connections were last decided by. */
interface Decided {
  readonly policySha256: string | null;
  readonly network: NetworkPolicyDocument;
  readonly operator: object | undefined;
  /** Forwarded ports; one that came since has been decided when it was made, by a policy that may have changed since. */
  readonly ports: number;
}

/**
 * Holds running sandboxes to the policy of now. What their plans were admitted with is decided again when the operator's files
 * change: connections and forwarded ports that are no longer allowed are cut, and a file that cannot be read cuts all of them.
 * What a policy gives back later, the network gets back. Machines are left running: that they may start is asked when they do.
 */
export class Enforcement {
  readonly #decided = new WeakMap<Egress, Decided>();
  readonly #timer: NodeJS.Timeout;
  #working: Promise<void> | null = null;

  constructor(private readonly services: Services) {
    this.#timer = setInterval(() => void this.look(), lookEveryMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Resolves when every sandbox has been held to the policy as it was then, or later. Never rejects. */
  look(): Promise<void> {
    this.#working ??= this.#enforce()
      .catch((error: unknown) =>
        this.services.log.error({ err: (error as Error).message }, "policy is not enforced on running sandboxes"),
      )
      .finally(() => (this.#working = null));
    return this.#working;
  }

  async #enforce(): Promise<void> {
    const { registry, policy: store, egress } = this.services;
    const connected = registry.list().flatMap((sandbox) => {
      const { live, network, ports } = sandbox;
      return live !== null && (network.allow.length > 0 || ports.list().length > 0) ? [{ sandbox, live }] : [];
    });
    if (connected.length === 0) return;
    const { policy } = await store.state();
    const operator = egress.operator.current();
    for (const { sandbox, live } of connected) {
      if (sandbox.live !== live) continue;
      const { network } = sandbox;
      const ports = sandbox.ports.list().length;
      const now: Decided = { policySha256: policy?.sha256 ?? null, network, operator, ports };
      if (same(this.#decided.get(live.egress), now)) continue;
      this.#hold(sandbox, live, policy);
      this.#decided.set(live.egress, { ...now, ports: sandbox.ports.list().length });
      // A decision takes a while for a long list of rules: others get their turn in between.
      await yielded();
    }
  }

  #hold(sandbox: Sandbox, live: Live, policy: Policy | null): void {
    const network = permittedNetwork(policy, sandbox);
    live.egress.setPolicy(network).catch((error: unknown) => {
      // The host decides already; a guest that does not listen merely asks for what it will not get.
      this.services.log.warn({ sandbox: sandbox.id, err: (error as Error).message }, "guest not told of its network");
    });
    const refused = sandbox.network.allow.length - network.allow.length;
    if (refused > 0) sandbox.logs.event("policy.network", { rules: network.allow.length, refused });
    for (const { host_address: address, host_port: hostPort, guest_port: guestPort } of sandbox.ports.list()) {
      const questions = portQuestions({ address, hostPort, guestPort }, isLoopback(address));
      if (policy !== null && questions.every((question) => policy.permits(sandbox.plan, question))) continue;
      sandbox.logs.event("policy.port", { host_port: hostPort });
      removePort(sandbox, hostPort);
    }
  }
}

/** The rules of a sandbox's network that policy permits now; none while the policy is broken. */
function permittedNetwork(policy: Policy | null, { plan, network }: Sandbox): NetworkPolicyDocument {
  if (policy === null) return denyAll;
  const asked = { ...plan, network };
  const allow = network.allow.filter((rule) =>
    networkQuestions({ default: "deny", allow: [rule] }).every((question) => policy.permits(asked, question)),
  );
  return { default: "deny", allow };
}

function same(before: Decided | undefined, now: Decided): boolean {
  return (
    before !== undefined &&
    before.policySha256 === now.policySha256 &&
    before.network === now.network &&
    before.operator === now.operator &&
    before.ports === now.ports
  );
}
