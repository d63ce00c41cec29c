import type { SandboxMetricsDocument } from "@mvm/protocol";
import { type CamelKeys, camelKeys } from "../wire/camel.js";
import { type CallOptions, callOf, type Target } from "./target.js";

/** Numbers of a sandbox: `host` is observed from outside, `guest` is what the guest claims, null when it does not answer. */
export type SandboxMetrics = CamelKeys<SandboxMetricsDocument>;

/** The sandbox's numbers now. */
export async function metrics(target: Target, options?: CallOptions): Promise<SandboxMetrics> {
  const call = callOf(target, { method: "GET", path: "/metrics", operation: "sandboxes.metrics" }, options);
  return camelKeys(await target.client.json<SandboxMetricsDocument>(call));
}
