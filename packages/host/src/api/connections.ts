import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Connections at once; beyond it the one that has been idle longest is closed. */
const maxConnections = 1_024;

/** Keeps clients that hold connections and do nothing from shutting others out. */
export function capConnections(server: Server, limit = maxConnections): void {
  const idle = new Set<Socket>();
  let open = 0;
  server.on("connection", (socket: Socket) => {
    open += 1;
    socket.on("error", () => undefined);
    socket.once("close", () => {
      open -= 1;
      idle.delete(socket);
    });
    idle.add(socket);
    if (open > limit) (idle.values().next().value ?? socket).destroy();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    idle.delete(socket);
    response.once("close", () => void (socket.destroyed || idle.add(socket)));
  });
}
