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

/** Does not wait for the server: credit goes back when bytes have left this process, and the guest sends no more than that. */
async function upwards(guest: GuestConnection, socket: Socket, traffic: Traffic): Promise<void> {
  for (let chunk = await guest.read(); chunk !== null; chunk = await guest.read()) {
    if (socket.destroyed) throw new Error("the server's side is gone");
    const bytes = chunk.length;
    socket.write(chunk, (error) => {
      if (error) return;
      traffic.sent += bytes;
      guest.passed(bytes);
    });
  }
  // What was written leaves this process before anybody closes the socket. Called for a broken one too.
  await new Promise<void>((resolve) => socket.end(() => resolve()));
}

async function downwards(guest: GuestConnection, socket: Socket, traffic: Traffic): Promise<void> {
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (!(await guest.write(chunk))) throw new Error("the guest's side is gone");
    traffic.received += chunk.length;
  }
  guest.end();
}
