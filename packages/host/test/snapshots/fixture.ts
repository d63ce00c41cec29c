import type { Compatibility } from "@mvm/protocol";
import type { StateFile } from "../../src/store/state-file.js";

export const compatibility: Compatibility = {
  ...{ format: 1, backend: "qemu", accel: "tcg", qemu_version: "9.2.0", cpu_model: "max", host_cpu: null },
  ...{ topology_sha256: "a".repeat(64), cpu: 1, memory_mb: 512, disk_mb: 1024 },
  ...{ image_digest: `sha256:${"b".repeat(64)}`, kernel_sha256: "c".repeat(64) },
};

/** What a sandbox that is captured writes down of itself. */
export function sourceOf(change: Partial<StateFile> = {}): StateFile {
  return {
    ...{ schema_version: 1, id: "sbx_01", name: "source", state: "running", reason: null, backend: "qemu" },
    ...{ image: { name: "python", digest: compatibility.image_digest }, accel_choice: "auto", require_hardware: false },
    ...{ cpu: 1, memory_mb: 512, disk_mb: 1024, profile: "standard", workload_id: null, tags: {}, owner: null },
    ...{ detached: false, machine_id: "0".repeat(32), created_at: "2025-01-01T00:00:00Z", ready_at: null },
    ...{ ended_at: null, expiry: null, identity: null, confinement: [], background_pids: [], ports: [] },
    idempotency: null,
    ...change,
  } as StateFile;
}
