import { createServer, type AddressInfo, type Socket } from "node:net";
import { InvalidArgumentError } from "@mvm/protocol";

/** What a listener does with each connection it accepts. */
export type OnConnection = (socket: Socket) => void;

/**
 * Listens on an address and port of the host; port 0 takes any that is free.
 * @throws {InvalidArgumentError} code PORT_UNAVAILABLE
 */
export async function listen(address: string, port: number, onConnection: OnConnection): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(unavailable(address, port, error)));
    server.listen({ host: address, port, exclusive: true, backlog: 256 }, resolve);
  });
  // Accepting fails for a while when descriptors run out; connections then wait in the kernel.
  server.removeAllListeners("error").on("error", () => undefined);
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

export interface Listener {
  readonly port: number;
  /** Stops listening at once; open connections are not touched. */
  close(): void;
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "it is in use",
  EACCES: "it may not be bound by this user",
  EADDRNOTAVAIL: "the address is none of this host",
  EAFNOSUPPORT: "the host has no such family of addresses",
};

function unavailable(address: string, port: number, error: NodeJS.ErrnoException): InvalidArgumentError {
  const errno = error.code ?? "unknown";
  return new InvalidArgumentError({
    code: "PORT_UNAVAILABLE",
    message: `Cannot forward port ${port} of ${address}: ${reasons[errno] ?? errno}`,
    context: { host_address: address, host_port: port, errno },
    cause: error,
  });
}
