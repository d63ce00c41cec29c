import { type SandboxInfoDocument, validateRef } from "@mvm/protocol";
import { DaemonClient, segment } from "../client/index.js";
import { onlyLive } from "../record/mode.js";
import { sandboxInfo, type SandboxInfo } from "./info.js";
import type { ClientOptions } from "./options.js";
import type { CallOptions } from "./target.js";

/** Options for `Sandbox.connect`. */
export interface ConnectOptions extends ClientOptions, CallOptions {}

/** Finds a sandbox by name or id. Throws `SandboxUnavailable` when there is none. */
export async function findSandbox(
  ref: string,
  options: ConnectOptions = {},
): Promise<{ readonly client: DaemonClient; readonly info: SandboxInfo }> {
  onlyLive("sandboxes.connect");
  const client = new DaemonClient(options);
  const document = await client.json<SandboxInfoDocument>({
    method: "GET",
    path: `/sandboxes/${segment(validateRef(ref))}`,
    operation: "sandboxes.connect",
    signal: options.signal,
  });
  return { client, info: sandboxInfo(document) };
}
