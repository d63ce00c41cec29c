import type { Accelerator, MachineSpec } from "../backend.js";
import type { BootFiles } from "./boot-files.js";
import { cpuModel, qemuCommandLine } from "./command-line.js";
import { hostCpu } from "./kvm-verdict.js";
import type { HostFacts } from "./probe.js";
import type { TemplateInputs } from "./template-key.js";

/** What of a machine decides which template it starts from. */
export type TemplateShape = Pick<MachineSpec, "cpus" | "memoryMb" | "diskMb"> & {
  readonly accel: Accelerator;
  readonly image: { readonly name: string; readonly digest: string };
};

/** What decides about it on this host. */
export interface TemplateHost {
  readonly qemu: NonNullable<HostFacts["qemu"]>;
  readonly features: HostFacts["features"];
  readonly boot: BootFiles;
  readonly warmUp: (imageName: string) => readonly (readonly string[])[];
}

/** All that the template of such a machine depends on here. */
export function templateInputs(shape: TemplateShape, { qemu, features, boot, warmUp }: TemplateHost): TemplateInputs {
  const { accel, cpus, memoryMb, diskMb, image } = shape;
  const names = {
    binary: "",
    kernel: "",
    initramfs: "",
    image: "",
    ram: "",
    disk: { kind: "overlay", path: "", base: "" },
  } as const;
  const line = { cookie: "", accel, cpus, memoryMb, paths: names, features };
  return {
    format: 1,
    imageDigest: image.digest,
    kernelSha256: boot.kernelSha256,
    initramfsSha256: boot.initramfsSha256,
    ...{ accel, cpus, memoryMb, diskMb },
    cpuModel: cpuModel(accel),
    qemu: { version: qemu.version, size: qemu.size, mtimeMs: qemu.mtimeMs },
    hostCpu: accel === "kvm" ? hostCpu() : null,
    bootLine: qemuCommandLine({ ...line, mode: { kind: "boot", tscKhz: null } }),
    restoreLine: qemuCommandLine({ ...line, mode: { kind: "restore" } }),
    warmUp: warmUp(image.name),
  };
}
