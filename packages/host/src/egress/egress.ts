import type { Socket } from "node:net";
import {
  type Accelerator,
  deadline,
  limits,
  type NetworkPolicyDocument,
  type NetworkRule,
  OutcomeUnknownError,
} from "@mvm/protocol";
import type { AgentSession } from "../agent/types.js";
import { type EgressDecision, Refusal, type RefusalReason } from "./decision.js";
import { dial } from "./dial.js";
import { GuestConnection } from "./guest-connection.js";
import { handlerFor } from "./handlers.js";
import type { OperatorFile } from "./operator-file.js";
import { isAllowed, type Names, vet } from "./resolve.js";
import { compileRules, type Rules } from "./rules.js";
import type { ServerTrust } from "./server-tls.js";
import type { Traffic } from "./splice.js";
import type { Substituting } from "./substituting.js";
import type { Substitution } from "./substitution.js";

/** What all sandboxes share: the operator's word, and name servers. */
export interface EgressHost {
  readonly operator: OperatorFile;
  readonly names: Names;
  readonly trust: ServerTrust;
}

export interface EgressOptions {
  readonly host: EgressHost;
  readonly session: AgentSession;
  readonly accel: Accelerator;
  readonly policy: NetworkPolicyDocument;
  /** What the sandbox's secrets mean for it, now; undefined: it has none. */
  readonly substitution?: () => Substitution | undefined;
  /** Asked before the value of a secret is sent to a host, once for each connection. When it rejects nothing is sent. */
  readonly mayUse: (secret: string, host: string) => Promise<void>;
  /** Called once for every decision, in their order. Must not throw. */
  readonly onDecision: (decision: EgressDecision) => void;
}

interface Open {
  readonly host: string;
  readonly port: number;
  readonly began: number;
  readonly traffic: Traffic;
  readonly abort: AbortController;
  rule: NetworkRule | undefined;
  /** The vetted address, and whether the operator's word rather than the policy admitted it. */
  reached: { readonly address: string; readonly port: number; readonly overridden: boolean } | undefined;
  socket: Socket | undefined;
}

/** What the guest says of itself, told at most this often. */
const guestTold = { events: 100, perMs: 10_000 };

/**
 * The way out of one machine, for as long as its session lasts. The guest says which name and port a program wants; whether
 * it may, and where that is, is decided here for each connection.
 */
export class Egress {
  readonly #options: EgressOptions;
  #rules: Rules;
  #told = { since: 0, events: 0 };
  /** The guest has been told of names before, so it has to hear of every change. */
  #announced = false;
  /** The names the guest answers for, as text; undefined until it has said that it does. */
  #answered: string | undefined;
  readonly #open = new Set<Open>();

  constructor(options: EgressOptions) {
    this.#options = options;
    this.#rules = compileRules(options.policy);
    void options.session.closed.then(() => {
      for (const open of this.#open) open.abort.abort(new Error("the machine is gone"));
    });
  }

  /** Connections that are open or being made. */
  get connections(): number {
    return this.#open.size;
  }

  /**
   * Tells the guest which names to answer; resolves when it does. Without rules there is nothing to tell.
   * @throws {SandboxError} what the guest's agent answers, or that it does not
   */
  async announce(): Promise<void> {
    const names = JSON.stringify(this.#rules.guest);
    if (this.#rules.guest.length === 0 && !this.#announced) return;
    this.#announced = true;
    this.#answered = undefined;
    const { session, accel } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const late = (): void => {
          const message = "Cannot tell the guest of its network policy: no answer; on the host it decides already";
          reject(new OutcomeUnknownError({ message }));
        };
        timer = setTimeout(late, deadline("agentRequest", accel));
        const stream = session.open(
          { op: "egress", allow: this.#rules.guest },
          {
            onEvent: (event) => {
              if (event.event === "listening") resolve();
              else if (event.event === "connection") void this.#carry(event);
              else if (event.event === "refused") this.#refusedByGuest(event.host, event.port);
            },
          },
        );
        stream.result.then(() => resolve(), reject);
      });
      this.#answered = names;
    } finally {
      clearTimeout(timer);
    }
  }

  /** From now on this policy decides; what it does not allow is cut before this returns, then the guest is told when that changes its names. */
  async setPolicy(policy: NetworkPolicyDocument): Promise<void> {
    this.#rules = compileRules(policy);
    for (const open of this.#open) {
      if (!this.#stillAllowed(open)) open.abort.abort(new Refusal("policy_changed"));
    }
    if (JSON.stringify(this.#rules.guest) !== this.#answered) await this.announce();
  }

  #stillAllowed({ host, port, rule, reached }: Open): boolean {
    const now = this.#rules.match(host, port);
    if (now === undefined || (now.protocol !== rule?.protocol && now.protocol !== "tcp")) return false;
    if (reached === undefined) return true;
    if (!reached.overridden) return isAllowed(reached.address, reached.port, this.#rules);
    // The operator's word may have been taken back, or lead elsewhere now.
    return this.#options.host.operator.current()?.override(host, port)?.address === reached.address;
  }

  async #carry({ connection, host, port }: { connection: number; host: string; port: number }): Promise<void> {
    // The guest keeps a lower limit itself: one that does not is not answered, so that nothing piles up for it.
    if (this.#open.size >= limits.streams) return;
    const guest = new GuestConnection(this.#options.session, connection);
    const open: Open = {
      ...{ host, port, began: performance.now(), traffic: { sent: 0, received: 0 }, abort: new AbortController() },
      ...{ rule: undefined, reached: undefined, socket: undefined },
    };
    this.#open.add(open);
    const { signal } = open.abort;
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    void guest.over.then((orderly) => orderly || open.abort.abort(new Error("the guest's side is gone")));
    let failure: unknown;
    try {
      await Promise.race([this.#handle(open, guest), aborted]);
    } catch (error) {
      failure = error;
      guest.reset();
      open.abort.abort(error);
      open.socket?.destroy();
    }
    this.#report(open, failure);
    await guest.over;
    open.socket?.destroy();
    this.#open.delete(open);
  }

  async #handle(open: Open, guest: GuestConnection): Promise<void> {
    const { host, port, traffic } = open;
    if (this.#open.size > limits.connections) throw new Refusal("too_many");
    open.rule = this.#rules.match(host, port);
    if (open.rule === undefined) throw new Refusal("no_rule");
    const openingMs = deadline("egressOpening", this.#options.accel);
    const handle = handlerFor(open.rule, this.#substituting(host, port));
    await handle({ host, port, guest, traffic, openingMs, reach: () => this.#reach(open) });
  }

  #substituting(host: string, port: number): Substituting | undefined {
    const substitution = this.#options.substitution?.();
    if (substitution?.bound(host) !== true) return undefined;
    const { operator, trust } = this.#options.host;
    const authorities = operator.current()?.authorities ?? [];
    const onSecret = (secret: string, sent: boolean): void =>
      this.#options.onDecision({ decision: "secret", host, port, secret, sent });
    return {
      ...{ trust, authorities, onSecret },
      mayUse: (secret) => this.#options.mayUse(secret, host),
      bound: (name) => substitution.bound(name),
      contextFor: (name) => substitution.contextFor(name),
      substitute: (...given) => substitution.substitute(...given),
      mask: () => substitution.mask(),
    };
  }

  async #reach(open: Open): Promise<Socket> {
    const { host, port } = open;
    const operator = this.#options.host.operator.current();
    if (operator === undefined) throw new Refusal("operator_file");
    const rules = this.#rules;
    const targets = await vet(open, { rules, operator, names: this.#options.host.names });
    const socket = await dial(targets, open.abort.signal);
    open.socket = socket;
    const address = socket.remoteAddress ?? "";
    open.reached = { address, port, overridden: operator.override(host, port) !== undefined };
    // The policy may have changed while the server was looked for.
    if (!this.#stillAllowed(open)) throw new Refusal("policy_changed");
    this.#options.onDecision({ decision: "allowed", host, port, address });
    return socket;
  }

  #report({ host, port, began, traffic, reached }: Open, failure: unknown): void {
    const reason: RefusalReason | undefined = failure instanceof Refusal ? failure.reason : undefined;
    if (reached === undefined) {
      if (reason !== undefined) this.#options.onDecision({ decision: "refused", host, port, reason, by: "host" });
      return;
    }
    this.#options.onDecision({
      ...{ decision: "ended", host, port, cut: reason ?? null },
      ...{ sent_bytes: traffic.sent, received_bytes: traffic.received },
      duration_ms: Math.round(performance.now() - began),
    });
  }

  #refusedByGuest(host: string, port: number | null): void {
    const now = performance.now();
    if (now - this.#told.since > guestTold.perMs) this.#told = { since: now, events: 0 };
    if (this.#told.events++ >= guestTold.events) return;
    this.#options.onDecision({ decision: "refused", host, port, reason: "no_rule", by: "guest" });
  }
}
