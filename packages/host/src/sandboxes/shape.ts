import type { MachineShape } from "../backends/backend.js";
import type { Sandbox } from "./sandbox.js";

/** What of the sandbox's machine decides where it can go on. */
export function shapeOf({ identity, plan, image }: Sandbox): MachineShape {
  return {
    accel: identity?.accel ?? (plan.accel === "kvm" ? "kvm" : "tcg"),
    cpus: plan.cpu,
    memoryMb: plan.memoryMb,
    diskMb: plan.diskMb,
    imageDigest: image.digest,
  };
}
