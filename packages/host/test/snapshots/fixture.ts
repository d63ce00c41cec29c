import type { Compatibility } from "@mvm/protocol";
import type { Source } from "../../src/snapshots/manifest.js";

export const compatibility: Compatibility = {
  ...{ format: 1, backend: "qemu", accel: "tcg", qemu_version: "9.2.0", cpu_model: "max", host_cpu: null },
  ...{ tsc_khz: 2_500_000 },
  ...{ topology_sha256: "a".repeat(64), cpu: 1, memory_mb: 512, disk_mb: 1024 },
  ...{ image_digest: `sha256:${"b".repeat(64)}`, kernel_sha256: "c".repeat(64) },
};

/** What a manifest says of the sandbox it was captured from. */
export const source: Source = {
  ...{ id: "sbx_01", name: "source", image: { name: "python", digest: compatibility.image_digest } },
  ...{ backend: "qemu", require_hardware: false, cpu: 1, memory_mb: 512, disk_mb: 1024 },
  ...{ profile: "standard", workload_id: null, tags: {} },
};
