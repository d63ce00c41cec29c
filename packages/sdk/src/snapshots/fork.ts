import type { CreatedEvent, CreateStreamEvent, ForkRequest } from "@mvm/protocol";
import type { EventStream } from "../client/index.js";
import type { CreateProgress, Created } from "../sandbox/create.js";
import { Lease } from "../sandbox/lease.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined } from "../wire/options.js";
import { type LifeOptions, lifeRequest, nameOf } from "./life.js";

/** Options for `sandbox.fork`. */
export interface ForkOptions extends LifeOptions, CallOptions {
  /** How many, 1 to 64. @default 1, or the number of names */
  readonly count?: number | undefined;
  /** One name a fork. @default none */
  readonly names?: readonly string[] | undefined;
  readonly onProgress?: ((event: CreateProgress) => void) | undefined;
}

/** Makes the forks; until each has a lease of its own, the answer of the call holds all of them. */
export async function forkSandbox(target: Target, options: ForkOptions): Promise<Created[]> {
  const { client } = target;
  const json: ForkRequest = defined({
    count: options.count,
    names: options.names?.map((name) => nameOf(name) as string),
    ...lifeRequest("fork", options),
  });
  const wanted = options.count ?? options.names?.length ?? 1;
  let forking = true;
  const call = callOf(target, { method: "POST", path: "/fork", operation: "sandboxes.fork", json }, options);
  const stream = await client.stream<CreateStreamEvent>({ ...call, patient: () => forking });
  try {
    const events: CreatedEvent[] = [];
    while (events.length < wanted) {
      const event = await stream.next();
      if (event === undefined) throw stream.cutShort("created");
      if (event.event === "created") events.push(event);
      else if (event.event === "progress" || event.event === "notice") options.onProgress?.(event);
    }
    forking = false;
    if (options.detach === true) return events.map((event) => ({ client, event, lease: null }));
    return await Promise.all(
      events.map(async (event) => ({ client, event, lease: await leaseOf({ client, id: event.sandbox.id }, options) })),
    );
  } finally {
    stream.close();
  }
}

/** A lease of a sandbox that lives already. */
async function leaseOf(target: Target, options: CallOptions): Promise<Lease> {
  const call = callOf(target, { method: "POST", path: "/lease", operation: "sandboxes.lease", json: {} }, options);
  const stream: EventStream<CreateStreamEvent> = await target.client.stream<CreateStreamEvent>(call);
  const first = await stream.next();
  if (first?.event !== "leased") throw stream.cutShort("leased");
  return new Lease(stream);
}
