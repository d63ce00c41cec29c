import { createHash } from "node:crypto";
import type { Compatibility } from "@mvm/protocol";
import type { MachineShape } from "../backend.js";
import { cpuModel, qemuCommandLine } from "./command-line.js";
import { hostCpu } from "./kvm-verdict.js";

/** Format of a captured machine's files; raised when their meaning changes. */
const captureFormat = 1;

/** What a captured machine of this shape needs. Pure but for the host's processor, which a guest sees under kvm only. */
export function qemuCompatibility(
  shape: MachineShape,
  host: { readonly qemuVersion: string; readonly kernelSha256: string; readonly tscKhz: number | null },
): Compatibility {
  const { accel, cpus, memoryMb, diskMb, imageDigest } = shape;
  return {
    format: captureFormat,
    backend: "qemu",
    accel,
    qemu_version: host.qemuVersion,
    cpu_model: cpuModel(accel),
    host_cpu: accel === "kvm" ? hostCpu() : null,
    tsc_khz: host.tscKhz,
    topology_sha256: topology(shape),
    ...{ cpu: cpus, memory_mb: memoryMb, disk_mb: diskMb, image_digest: imageDigest },
    kernel_sha256: host.kernelSha256,
  };
}

/** The devices a guest sees. What only the host sees (seccomp, how files are read) may differ. */
function topology({ accel, cpus, memoryMb }: MachineShape): string {
  const paths = {
    ...{ binary: "", kernel: "", initramfs: "", image: "", ram: "" },
    disk: { kind: "overlay", path: "", base: "" },
  } as const;
  const features = { seccomp: false, ioUring: false };
  const line = qemuCommandLine({ cookie: "", accel, cpus, memoryMb, paths, features, mode: { kind: "restore" } });
  return createHash("sha256").update(JSON.stringify(line)).digest("hex");
}
