import { once } from "node:events";
import type { Socket } from "node:net";
import type { GuestConnection } from "./guest-connection.js";

/** Bytes of one connection, as the guest's program sees it. */
export interface Traffic {
  sent: number;
  received: number;
}

/**
 * Passes bytes both ways until both directions have ended. Each waits for its receiver: what is held here of a direction is
 * at most the stream's credit. Rejects when the connection breaks.
 */
export async function splice(guest: GuestConnection, socket: Socket, traffic: Traffic): Promise<void> {
  await Promise.all([upwards(guest, socket, traffic), downwards(guest, socket, traffic)]);
}

async function upwards(guest: GuestConnection, socket: Socket, traffic: Traffic): Promise<void> {
  for (let chunk = await guest.read(); chunk !== null; chunk = await guest.read()) {
    if (socket.destroyed) throw new Error("the server's side is gone");
    if (!socket.write(chunk)) await drained(socket);
    traffic.sent += chunk.length;
    guest.passed(chunk.length);
  }
  // What was written leaves this process before anybody closes the socket.
  socket.end();
  if (!socket.writableFinished) await Promise.race([once(socket, "finish"), once(socket, "close")]);
}

function drained(socket: Socket): Promise<unknown> {
  return Promise.race([once(socket, "drain"), once(socket, "close")]);
}

async function downwards(guest: GuestConnection, socket: Socket, traffic: Traffic): Promise<void> {
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (!(await guest.write(chunk))) throw new Error("the guest's side is gone");
    traffic.received += chunk.length;
  }
  guest.end();
}
