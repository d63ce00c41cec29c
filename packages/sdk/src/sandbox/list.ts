import { type SandboxInfoDocument, type SandboxState, validateTags } from "@mvm/protocol";
import { DaemonClient } from "../client/index.js";
import { onlyLive } from "../record/mode.js";
import { sandboxInfo, type SandboxInfo } from "./info.js";
import type { ClientOptions } from "./options.js";
import type { CallOptions } from "./target.js";

/** Options for `Sandbox.list`. */
export interface ListOptions extends ClientOptions, CallOptions {
  /** Only those that have all of these. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly state?: SandboxState | undefined;
}

/** The sandboxes of the state root, newest last. */
export async function listSandboxes(options: ListOptions = {}): Promise<SandboxInfo[]> {
  onlyLive("sandboxes.list");
  const tag = Object.entries(validateTags(options.tags ?? {})).map(([key, value]) => `${key}=${value}`);
  const { sandboxes } = await new DaemonClient(options).json<{ sandboxes: SandboxInfoDocument[] }>({
    method: "GET",
    path: "/sandboxes",
    query: { tag, state: options.state },
    operation: "sandboxes.list",
    signal: options.signal,
  });
  return sandboxes.map(sandboxInfo);
}
