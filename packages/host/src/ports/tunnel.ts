import type { Socket } from "node:net";
import type { AgentSession } from "../agent/types.js";
import { outputPassed } from "../commands/flood-relief.js";

/** Bytes that went through, for metrics. */
export interface Traffic {
  toGuest: number;
  fromGuest: number;
}

/**
 * Carries one connection of the host to a port of the guest's loopback. Either end may be slow: each direction moves at
 * the pace of its reader, and at most one credit of bytes waits here. An end of one direction is passed on as such; a
 * refusal or a reset in the guest resets the connection. Resolves when it is over; never rejects.
 */
export async function carry(socket: Socket, session: AgentSession, guestPort: number, traffic: Traffic): Promise<void> {
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  const ended = { here: false, there: false };
  const stream = session.open(
    { op: "connect", port: guestPort },
    {
      manualCredit: true,
      onData: (data) => {
        const bytes = data.byteLength;
        traffic.fromGuest += bytes;
        outputPassed(bytes);
        // The data shares memory with the channel. The guest may send more once the kernel has taken this.
        socket.write(Buffer.from(data), () => stream.grant(bytes));
      },
      onEnd: () => {
        ended.there = true;
        socket.end();
      },
    },
  );
  const over = stream.result.then(
    () => undefined,
    () => void socket.resetAndDestroy(),
  );
  // What both ends have finished is left to finish in the guest; anything else that closes the connection ends it there too.
  socket.once("close", () => {
    if (!ended.here || !ended.there) stream.cancel();
  });
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      const data = chunk as Buffer;
      if (!(await stream.write(data))) break;
      traffic.toGuest += data.byteLength;
    }
    ended.here = true;
    stream.end();
  } catch {
    stream.cancel();
  }
  await over;
}
