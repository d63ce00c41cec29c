import { type RestoreRequest, validateRef } from "@mvm/protocol";
import { DaemonClient, segment } from "../client/index.js";
import { type CreateProgress, type Created, openCreated } from "../sandbox/create.js";
import { onlyLive } from "../record/mode.js";
import type { ClientOptions } from "../sandbox/options.js";
import { defined, refuseUnknown } from "../wire/options.js";
import { type LifeOptions, lifeRequest, nameOf } from "./life.js";

/** Options for `Sandbox.restore`. */
export interface RestoreOptions extends LifeOptions, ClientOptions {
  /** Name of the new sandbox. @default none */
  readonly name?: string | undefined;
  /** Aborting destroys the half-made sandbox. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: CreateProgress) => void) | undefined;
}

const known = {
  ...{ name: true, detach: true, ttlSeconds: true, owner: true, tags: true, network: true },
  ...{ home: true, autoStart: true, requestTimeoutMs: true, signal: true, onProgress: true },
} as const satisfies { readonly [Option in keyof RestoreOptions]-?: true };
const knownNames: ReadonlySet<string> = new Set(Object.keys(known));

/** Makes a sandbox that goes on where the snapshot was taken. Whatever goes wrong, none is left behind. */
export async function restoreSnapshot(ref: string, options: RestoreOptions): Promise<Created> {
  onlyLive("snapshots.restore");
  refuseUnknown("Sandbox.restore", options, knownNames);
  options.signal?.throwIfAborted();
  const json: RestoreRequest = defined({ name: nameOf(options.name), ...lifeRequest("restore", options) });
  const path = `/snapshots/${segment(validateRef(ref))}/restore`;
  const { signal } = options;
  const call = { method: "POST", path, operation: "snapshots.restore", json, signal } as const;
  return await openCreated(new DaemonClient(options), call, options);
}
