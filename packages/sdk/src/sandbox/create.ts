import type { CreatedEvent, CreateStreamEvent, NoticeEvent, ProgressEvent } from "@mvm/protocol";
import {
  type Call,
  DaemonClient,
  idempotencyHeader,
  newIdempotencyKey,
  retryOnce,
  retryTransient,
  validateIdempotencyKey,
} from "../client/index.js";
import { Lease } from "./lease.js";
import type { CreateOptions } from "./options.js";
import { createRequest } from "./request.js";

/** A phase of the start, or something the user should know. */
export type CreateProgress = ProgressEvent | NoticeEvent;

/** A sandbox that was made: its lease is null when it is detached. */
export interface Created {
  readonly client: DaemonClient;
  readonly event: CreatedEvent;
  readonly lease: Lease | null;
}

/** Reads the answer of a call that makes one sandbox, and keeps it open as the sandbox's lease unless it is detached. */
export async function openCreated(
  client: DaemonClient,
  call: Call,
  options: Pick<CreateOptions, "detach" | "onProgress">,
): Promise<Created> {
  let starting = true;
  const stream = await client.stream<CreateStreamEvent>({ ...call, patient: () => starting });
  try {
    for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
      if (event.event === "progress" || event.event === "notice") options.onProgress?.(event);
      if (event.event !== "created") continue;
      starting = false;
      if (options.detach !== true) return { client, event, lease: new Lease(stream) };
      stream.close();
      return { client, event, lease: null };
    }
  } catch (error) {
    stream.close();
    throw error;
  }
  throw stream.cutShort("created");
}

/** Makes a sandbox and waits until it runs. Whatever goes wrong, none is left behind. */
export async function createSandbox(options: CreateOptions): Promise<Created> {
  options.signal?.throwIfAborted();
  const json = createRequest(options);
  const key = options.idempotencyKey;
  const call: Call = {
    method: "POST",
    path: "/sandboxes",
    operation: "sandboxes.create",
    json,
    headers: { [idempotencyHeader]: key === undefined ? newIdempotencyKey() : validateIdempotencyKey(key) },
    // An attached sandbox dies with its connection and a detached one is found again by its key.
    idempotent: true,
    signal: options.signal,
  };
  const client = new DaemonClient(options);
  const attempt = () => openCreated(client, call, options);
  return await retryTransient(() => (options.detach === true ? retryOnce(attempt) : attempt()), options.signal);
}
