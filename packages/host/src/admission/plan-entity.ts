import type { Plan } from "./plan.js";

type Value = boolean | number | string | Value[] | { [key: string]: Value };

/** The plan as policy/schema.cedarschema describes it. What is null is absent: a rule has to ask `has` first. */
export function planEntity(plan: Plan): {
  uid: { type: string; id: string };
  attrs: Record<string, Value>;
  parents: never[];
  tags: Record<string, Value>;
} {
  const optional = {
    imageDigest: plan.imageDigest,
    name: plan.name,
    workloadId: plan.workloadId,
    owner: plan.owner,
    ttlSeconds: plan.ttlSeconds,
  };
  const given = Object.entries(optional).filter((entry): entry is [string, string | number] => entry[1] !== null);
  return {
    uid: { type: "Plan", id: "plan" },
    attrs: {
      ...Object.fromEntries(given),
      ...{
        image: plan.image,
        tenant: plan.tenant,
        cpu: plan.cpu,
        memoryMb: plan.memoryMb,
        diskMb: plan.diskMb,
        detached: plan.detach,
      },
      ...{ backend: plan.backend, accel: plan.accel, requireHardware: plan.requireHardware },
      network: plan.network.allow.map(({ host, port, protocol }) => ({ host, port, protocol })),
      mounts: plan.mounts.map(({ host, guest, mode }) => ({ host, guest, mode })),
      secrets: Object.values(plan.secrets).map(({ secret }) => secret),
    },
    parents: [],
    tags: { ...plan.tags },
  };
}
