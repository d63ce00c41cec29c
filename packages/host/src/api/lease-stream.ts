import type { EndReason, SandboxState } from "@mvm/protocol";
import { rounded } from "../commands/result.js";
import { infoOf } from "../sandboxes/info.js";
import { holdLease } from "../sandboxes/lease.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import type { Services } from "../sandboxes/services.js";
import type { EventStream } from "./event-stream.js";

/** Sends `created`. @param createMs milliseconds since the request came */
export function announceCreated(stream: EventStream, sandbox: Sandbox, createMs: number): void {
  stream.send({
    event: "created",
    sandbox: infoOf(sandbox),
    timings: { create_ms: rounded(createMs), start: sandbox.boot?.start ?? "template" },
  });
}

/**
 * Keeps the stream open as the sandbox's lease: its end ends the sandbox. A failed sandbox stays, with its logs, as long as
 * the connection does; a destroyed one ends the stream.
 */
export async function streamLease(services: Services, stream: EventStream, sandbox: Sandbox): Promise<void> {
  const release = holdLease(services, sandbox);
  let destroyed: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (destroyed = resolve));
  const onExpiring = (expiresAt: string): void => void stream.send({ event: "expiring", expires_at: expiresAt });
  const onEnded = (state: SandboxState, reason: EndReason | null): void => {
    stream.send({ event: "ended", state, reason });
    if (state === "destroyed") destroyed();
  };
  sandbox.events.on("expiring", onExpiring).on("ended", onEnded);
  try {
    if (sandbox.state === "destroyed" || sandbox.state === "failed") onEnded(sandbox.state, sandbox.reason);
    await Promise.race([over, stream.gone]);
  } finally {
    sandbox.events.off("expiring", onExpiring).off("ended", onEnded);
    release();
  }
}
