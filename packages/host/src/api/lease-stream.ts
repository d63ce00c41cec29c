import type { EndReason, SandboxState } from "@mvm/protocol";
import { rounded } from "../commands/result.js";
import { infoOf } from "../sandboxes/info.js";
import { holdLease } from "../sandboxes/lease.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import type { EventStream } from "./event-stream.js";

/** Sends `created`. @param createMs milliseconds since the request came */
export function announceCreated(stream: EventStream, sandbox: Sandbox, createMs: number): void {
  stream.settle(sandbox.id);
  stream.send({
    event: "created",
    sandbox: infoOf(sandbox),
    timings: { create_ms: rounded(createMs), start: sandbox.boot?.start ?? "template" },
  });
}

/** Keeps the stream open as the lease of several sandboxes, until the last of them has ended. */
export async function streamLeases(
  services: Services,
  stream: EventStream,
  sandboxes: readonly Sandbox[],
): Promise<void> {
  await Promise.all(sandboxes.map((sandbox) => streamLease(services, stream, sandbox)));
}

/**
 * Keeps the stream open as the sandbox's lease: its end ends the sandbox. A failed sandbox stays, with its logs, as long as
 * the connection does; one that is destroyed or detached ends the stream.
 */
export async function streamLease(services: Services, stream: EventStream, sandbox: Sandbox): Promise<void> {
  const release = holdLease(services, sandbox);
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  const onExpiring = (expiresAt: string): void =>
    void stream.send({ event: "expiring", expires_at: expiresAt, sandbox_id: sandbox.id });
  const onEnded = (state: SandboxState, reason: EndReason | null): void => {
    stream.send({ event: "ended", state, reason, sandbox_id: sandbox.id });
    if (state === "destroyed") finish();
  };
  const onDetached = (): void => finish();
  sandbox.events.on("expiring", onExpiring).on("ended", onEnded).on("detached", onDetached);
  try {
    if (sandbox.state === "destroyed" || sandbox.state === "failed") onEnded(sandbox.state, sandbox.reason);
    await Promise.race([over, stream.gone]);
  } finally {
    sandbox.events.off("expiring", onExpiring).off("ended", onEnded).off("detached", onDetached);
    release();
  }
}
