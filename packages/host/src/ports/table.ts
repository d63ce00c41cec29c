import type { Socket } from "node:net";
import { InvalidArgumentError, limits, type PortInfo } from "@mvm/protocol";
import type { AgentSession } from "../agent/types.js";
import { listen, type Listener } from "./listener.js";
import { carry, type Traffic } from "./tunnel.js";

interface Forward {
  readonly info: PortInfo;
  readonly listener: Listener;
  readonly sockets: Set<Socket>;
}

/** The forwarded ports of one sandbox and the connections through them. All of it ends with `close`, at once. */
export class PortTable {
  private readonly forwards = new Map<number, Forward>();
  /** Raised by `close`, so that a forward that was being made learns that it came too late. */
  private generation = 0;
  private binding = 0;
  private connections = { total: 0, refused: 0 };
  private readonly traffic: Traffic = { toGuest: 0, fromGuest: 0 };

  /** In the order they were made. */
  list(): PortInfo[] {
    return [...this.forwards.values()].map(({ info }) => info);
  }

  /**
   * Binds a port of the host, 0 for any, and connects whoever comes with the guest's port. Undefined when the table was
   * closed meanwhile.
   * @throws {InvalidArgumentError} code PORT_UNAVAILABLE, or too many ports
   */
  async add(session: AgentSession, wanted: PortInfo): Promise<PortInfo | undefined> {
    const { host_address, host_port, guest_port } = wanted;
    if (this.forwards.size + this.binding >= limits.forwards) {
      throw new InvalidArgumentError({
        message: `Cannot forward another port: ${limits.forwards} is the limit of a sandbox`,
        hint: "Remove one with `mvmctl ports rm NAME PORT`",
      });
    }
    if (this.forwards.has(host_port)) throw forwarded(host_port);
    const { generation } = this;
    const sockets = new Set<Socket>();
    const onConnection = (socket: Socket): void => this.accept(socket, sockets, session, guest_port);
    this.binding += 1;
    const listener = await listen(host_address, host_port, onConnection).finally(() => (this.binding -= 1));
    const { port } = listener;
    if (generation === this.generation && !this.forwards.has(port)) {
      const info: PortInfo = { host_address, host_port: port, guest_port };
      this.forwards.set(port, { info, listener, sockets });
      return info;
    }
    listener.close();
    for (const socket of sockets) socket.resetAndDestroy();
    if (generation === this.generation) throw forwarded(port);
    return undefined;
  }

  /** Stops listening on a port of the host and ends its connections. @throws {InvalidArgumentError} PORT_NOT_FORWARDED */
  remove(hostPort: number): PortInfo {
    const forward = this.forwards.get(hostPort);
    if (forward === undefined) {
      throw new InvalidArgumentError({
        code: "PORT_NOT_FORWARDED",
        message: `Cannot remove port ${hostPort}: the sandbox does not forward it`,
        context: { host_port: hostPort },
      });
    }
    this.forwards.delete(hostPort);
    end(forward);
    return forward.info;
  }

  /** The machine is gone, or the daemon lets go of it: nothing listens and no connection is open any more. */
  close(): void {
    this.generation += 1;
    for (const forward of this.forwards.values()) end(forward);
    this.forwards.clear();
  }

  /** Numbers since this daemon knows the sandbox, for metrics. */
  counts(): { open: number; total: number; refused: number } & Traffic {
    const open = [...this.forwards.values()].reduce((sum, { sockets }) => sum + sockets.size, 0);
    return { open, ...this.connections, ...this.traffic };
  }

  private accept(socket: Socket, sockets: Set<Socket>, session: AgentSession, guestPort: number): void {
    // Each connection takes a stream of the channel and memory here: a flood of them must not use up either.
    if (this.counts().open >= limits.forwardConnections) {
      this.connections.refused += 1;
      socket.on("error", () => undefined).resetAndDestroy();
      return;
    }
    this.connections.total += 1;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    void carry(socket, session, guestPort, this.traffic);
  }
}

function end({ listener, sockets }: Forward): void {
  listener.close();
  for (const socket of sockets) socket.resetAndDestroy();
}

function forwarded(hostPort: number): InvalidArgumentError {
  return new InvalidArgumentError({
    code: "PORT_UNAVAILABLE",
    message: `Cannot forward port ${hostPort}: the sandbox forwards it already`,
    context: { host_port: hostPort },
  });
}
