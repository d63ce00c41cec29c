import type { SandboxInfoDocument } from "@mvm/protocol";
import { type CamelKeys, camelKeys } from "../wire/camel.js";

/** Everything there is to know about a sandbox. Times are RFC 3339. */
export type SandboxInfo = CamelKeys<SandboxInfoDocument>;

/** The SDK's form of the daemon's document. */
export function sandboxInfo(document: SandboxInfoDocument): SandboxInfo {
  return camelKeys(document);
}
