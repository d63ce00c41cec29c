import { PolicyDenied, type CreateRequest, type Profile } from "@mvm/protocol";

/** What a request may ask for; the names are the ends of the rule ids. */
export type Capability = "env" | "mounts.read" | "mounts.write" | "network" | "secrets" | "ports" | "ports.public";

/** What each built-in profile allows; the mapped type makes a forgotten answer a compile error. */
export const profiles: { readonly [P in Profile]: { readonly [C in Capability]: boolean } } = {
  restrictive: {
    ...{ env: false, "mounts.read": false, "mounts.write": false, network: false, secrets: false },
    ...{ ports: false, "ports.public": false },
  },
  standard: {
    ...{ env: true, "mounts.read": true, "mounts.write": false, network: true, secrets: true },
    ...{ ports: true, "ports.public": false },
  },
  dev: {
    ...{ env: true, "mounts.read": true, "mounts.write": true, network: true, secrets: true },
    ...{ ports: true, "ports.public": false },
  },
  permissive: {
    ...{ env: true, "mounts.read": true, "mounts.write": true, network: true, secrets: true },
    ...{ ports: true, "ports.public": true },
  },
};

const words: { readonly [C in Capability]: string } = {
  env: "environment variables",
  "mounts.read": "host directories",
  "mounts.write": "writable host directories",
  network: "network access",
  secrets: "secrets",
  ports: "forwarded ports",
  "ports.public": "ports on addresses beyond loopback",
};

/** What of the capabilities a create request makes use of. An empty list asks for nothing. Ports are asked for later. */
export function askedFor(request: CreateRequest): Capability[] {
  const mounts = request.mounts ?? [];
  const asked: Partial<Record<Capability, boolean>> = {
    env: Object.keys(request.env ?? {}).length > 0,
    "mounts.read": mounts.length > 0,
    "mounts.write": mounts.some((mount) => mount.mode === "rw"),
    network: (request.network?.allow ?? []).length > 0,
    secrets: Object.keys(request.secrets ?? {}).length > 0,
  };
  return (Object.keys(asked) as Capability[]).filter((capability) => asked[capability] === true);
}

/**
 * Refuses what the profile does not allow, naming the rule `profile.<profile>.<capability>`.
 * @param acknowledged the caller set MVM_ACK_PERMISSIVE_RUN=1
 * @throws {PolicyDenied}
 */
export function checkProfile(profile: Profile, asked: readonly Capability[], acknowledged: boolean): void {
  if (profile === "permissive" && !acknowledged) {
    throw new PolicyDenied({
      code: "POLICY_ACK_REQUIRED",
      message: 'Cannot use profile "permissive": it is not acknowledged',
      rule: "profile.permissive.acknowledge",
    });
  }
  for (const capability of asked) {
    if (profiles[profile][capability]) continue;
    const wider = (Object.keys(profiles) as Profile[]).find((other) => profiles[other][capability]) ?? "standard";
    throw new PolicyDenied({
      message: `Cannot give the sandbox ${words[capability]}: profile "${profile}" has none`,
      rule: `profile.${profile}.${capability}`,
      hint: `Leave them out, or choose profile "${wider}"`,
      context: { profile },
    });
  }
}
