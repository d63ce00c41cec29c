import { createHash } from "node:crypto";
import type { PolicyInfo } from "@mvm/protocol";
import type { PolicyStore } from "./policy-store.js";

/** The policy in force as a person reads it, or what is wrong with it. */
export async function policyInfo(store: PolicyStore): Promise<PolicyInfo> {
  const { policy, problems, files } = await store.state();
  const ceilings = policy?.ceilings;
  return {
    schema_version: 1,
    ok: policy !== null,
    sha256: policy?.sha256 ?? null,
    directories: [...store.directories],
    files: files.map(({ path, text }) => ({ path, sha256: createHash("sha256").update(text).digest("hex") })),
    rules: (policy?.rules ?? []).map(({ id, effect, path, line, builtIn }) => {
      return { id, effect, path, line, built_in: builtIn };
    }),
    ceilings:
      ceilings === undefined
        ? null
        : {
            ...{ cpu: ceilings.cpu, memory_mb: ceilings.memoryMb, disk_mb: ceilings.diskMb },
            ttl_seconds: ceilings.ttlSeconds,
            sandboxes: Number.isFinite(ceilings.sandboxes) ? ceilings.sandboxes : null,
          },
    problems: problems.map((problem) => ({ ...problem })),
  };
}
