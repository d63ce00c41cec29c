import { BackendUnsupported, InvalidArgumentError } from "@mvm/protocol";
import type { BackendReport } from "../backends/backend.js";
import type { Plan } from "./plan.js";

/**
 * Refuses what the chosen backend cannot do here. The profile has been asked before: what policy forbids is reported as
 * policy, whether or not it could be done.
 * @throws {BackendUnsupported}
 */
export function checkCapabilities(plan: Plan, report: BackendReport): void {
  const refuse = (feature: string, why: string): never => {
    throw new BackendUnsupported({
      message: `Cannot start the sandbox on backend "${plan.backend}": ${why}`,
      backend: plan.backend,
      feature,
    });
  };
  const { kvm, tcg } = report.accelerators;
  if (plan.requireHardware && plan.accel === "tcg")
    refuse("isolation.hardware", "hardware isolation needs KVM, and tcg was asked for");
  if (plan.requireHardware && !kvm.usable) refuse("isolation.hardware", `hardware isolation needs KVM: ${kvm.reason}`);
  if (plan.accel === "kvm" && !kvm.usable) refuse("accel.kvm", `KVM is not usable: ${kvm.reason}`);
  if (plan.accel === "tcg" && !tcg.usable) refuse("accel.tcg", `TCG is not usable: ${tcg.reason}`);
}

/** @throws {BackendUnsupported} no backend has that name */
export function unknownBackend(name: string, known: readonly string[]): BackendUnsupported {
  return new BackendUnsupported({
    message: `Cannot use backend "${name}": it is not one of ${known.join(", ")}`,
    backend: name,
    feature: "backend",
  });
}

/** A sandbox that nobody's connection holds must say when it ends. @throws {InvalidArgumentError} */
export function checkLifetime(plan: Plan): void {
  if (!plan.detach || plan.ttlSeconds !== null) return;
  throw new InvalidArgumentError({
    message: "Cannot create a detached sandbox: ttl_seconds is missing",
    hint: "Give it a time to live, or do not detach it: then it ends with the connection that made it",
    context: { pointer: "/ttl_seconds" },
  });
}
