import { PolicyDenied, type Profile } from "@mvm/protocol";
import type { Plan } from "./plan.js";

/** What a plan may ask for; each is an action of policy/schema.cedarschema and the end of a rule id. */
export type Capability =
  "start" | "env" | "mounts.read" | "mounts.write" | "network" | "secrets" | "ports" | "ports.public";

/** One thing a plan wants, as a rule sees it. */
export interface Question {
  readonly capability: Capability;
  /** The record `context` of the action. */
  readonly context: Readonly<Record<string, boolean | number | string | readonly string[]>>;
}

const words: { readonly [C in Capability]: string } = {
  start: "a machine",
  env: "environment variables",
  "mounts.read": "host directories",
  "mounts.write": "writable host directories",
  network: "network access",
  secrets: "secrets",
  ports: "forwarded ports",
  "ports.public": "ports on addresses beyond loopback",
};

/** How messages call a capability. */
export function wordsFor(capability: Capability): string {
  return words[capability];
}

/**
 * Everything a plan wants, `start` first. An empty list of rules, directories or variables asks for nothing. Ports are asked
 * for when they are forwarded.
 * @param acknowledged the caller set MVM_ACK_PERMISSIVE_RUN=1
 */
export function questionsOf(plan: Plan, acknowledged: boolean): Question[] {
  const names = Object.keys(plan.env).sort();
  return [
    { capability: "start", context: { acknowledged } },
    ...(names.length > 0 ? [envQuestion(names)] : []),
    ...plan.mounts.flatMap(({ host, guest, mode }): Question[] => {
      const context = { host, guest, mode };
      const read: Question = { capability: "mounts.read", context };
      return mode === "rw" ? [read, { capability: "mounts.write", context }] : [read];
    }),
    ...networkQuestions(plan.network),
    ...Object.entries(plan.secrets).map(([env, ref]): Question => ({
      capability: "secrets",
      context: { name: ref.secret, env, hosts: [...(ref.hosts ?? [])] },
    })),
  ];
}

export function envQuestion(names: readonly string[]): Question {
  return { capability: "env", context: { names } };
}

export function networkQuestions(network: Plan["network"]): Question[] {
  return network.allow.map(({ host, port, protocol }) => ({
    capability: "network",
    context: { host, port, protocol },
  }));
}

/** @param loopback only this host can reach the address */
export function portQuestions(
  { address, hostPort, guestPort }: { address: string; hostPort: number; guestPort: number },
  loopback: boolean,
): Question[] {
  const context = { address, hostPort, guestPort };
  const local: Question = { capability: "ports", context };
  return loopback ? [local] : [local, { capability: "ports.public", context }];
}

/** Nothing permits it: the rule that is missing is named as if it were there. */
export function notPermitted(profile: Profile, capability: Capability, wider: Profile | undefined): PolicyDenied {
  return new PolicyDenied({
    message: `Cannot give the sandbox ${wordsFor(capability)}: profile "${profile}" has none`,
    rule: `profile.${profile}.${capability}`,
    hint: wider === undefined ? "Leave them out" : `Leave them out, or choose profile "${wider}"`,
    context: { profile },
  });
}
