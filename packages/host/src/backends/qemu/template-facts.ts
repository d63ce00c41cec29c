import { createHash } from "node:crypto";
import { BackendUnsupported, SnapshotMismatchError, type TemplateFacts } from "@mvm/protocol";
import { sameClockRate } from "../clock-rate.js";
import type { TemplateInputs } from "./template-key.js";

/** What another host has to know besides the inputs. */
export interface BuildFacts {
  /** SHA-256 of QEMU's program: its time and size say nothing elsewhere. */
  readonly qemuSha256: string;
  /** Frequency of the host's time stamp counter for guests that have measured it; null under kvm. */
  readonly tscKhz: number | null;
}

/** The inputs as they are told to another host. Pure. */
export function factsOf(inputs: TemplateInputs, { qemuSha256, tscKhz }: BuildFacts): TemplateFacts {
  const { format, imageDigest, kernelSha256, initramfsSha256, accel, cpus, memoryMb, diskMb, ...rest } = inputs;
  const { cpuModel, qemu, hostCpu, bootLine, restoreLine, warmUp, ...none } = rest;
  // Does not compile when a template depends on something that other hosts are not told.
  none satisfies Record<string, never>;
  return {
    ...{ format, backend: "qemu", accel, qemu_version: qemu.version, qemu_sha256: qemuSha256 },
    ...{ cpu_model: cpuModel, host_cpu: hostCpu, tsc_khz: tscKhz },
    boot_line_sha256: sha256(bootLine),
    restore_line_sha256: sha256(restoreLine),
    warm_up_sha256: sha256(warmUp),
    ...{ kernel_sha256: kernelSha256, initramfs_sha256: initramfsSha256, image_digest: imageDigest },
    ...{ cpu: cpus, memory_mb: memoryMb, disk_mb: diskMb },
  };
}

const words: { readonly [K in keyof TemplateFacts]: string } = {
  format: "the format of templates",
  backend: "the backend",
  accel: "the accelerator",
  qemu_version: "QEMU's version",
  qemu_sha256: "QEMU's build",
  cpu_model: "the CPU model",
  host_cpu: "the host's processor",
  tsc_khz: "the frequency of the host's time stamp counter",
  boot_line_sha256: "the command line it was booted with",
  restore_line_sha256: "the machine's devices",
  warm_up_sha256: "what runs before it is saved",
  kernel_sha256: "the kernel",
  initramfs_sha256: "the guest agent",
  image_digest: "the image",
  cpu: "the number of CPUs",
  memory_mb: "the memory size",
  disk_mb: "the disk size",
};
/** What belongs to the mvm and the images of this host, which can be brought up to date, rather than to the host itself. */
const ofTheRelease: ReadonlySet<keyof TemplateFacts> = new Set([
  ...(["boot_line_sha256", "restore_line_sha256", "warm_up_sha256", "kernel_sha256", "initramfs_sha256"] as const),
  ...(["image_digest", "cpu", "memory_mb", "disk_mb"] as const),
]);

/**
 * Pure: refuses a template whose machines would not go on here as those of one that was made here, naming the difference.
 * @throws {BackendUnsupported} the host is another
 * @throws {SnapshotMismatchError} mvm or the image is another
 */
export function requireSameFacts(theirs: TemplateFacts, here: TemplateFacts): void {
  for (const key of Object.keys(words) as (keyof TemplateFacts)[]) {
    if (same(key, theirs[key], here[key])) continue;
    const shown = (value: TemplateFacts[typeof key]): string => String(value ?? "none").slice(0, 80);
    const message = `Cannot import the template: ${words[key]} differs: it was made with ${shown(theirs[key])}, here is ${shown(here[key])}`;
    const context = { difference: key };
    if (ofTheRelease.has(key)) {
      const hint = "Set both hosts up from the same release, or let this one make its own: the next sandbox does";
      throw new SnapshotMismatchError({ message, hint, outcome: "not_started", context });
    }
    throw new BackendUnsupported({
      message,
      backend: here.backend,
      feature: `template.${key}`,
      hint: "Import it on a host like the one it was made on; this one makes its own with the next sandbox",
      outcome: "not_started",
      context,
    });
  }
}

function same(key: keyof TemplateFacts, theirs: unknown, here: unknown): boolean {
  if (key === "tsc_khz") return sameClockRate(theirs as number | null, here as number | null);
  return theirs === here;
}

function sha256(words: unknown): string {
  return createHash("sha256").update(JSON.stringify(words)).digest("hex");
}
