import {
  InvalidArgumentError,
  isSandboxError,
  type PortForwardBody,
  type PortInfo,
  type PortListDocument,
  validateHostPort,
  validatePort,
} from "@mvm/protocol";
import { segment } from "../client/index.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { defined } from "../wire/options.js";

/** Options for `ports.forward`: both ends are explicit. */
export interface ForwardOptions extends CallOptions {
  /** Port of this host; 0 takes any that is free. */
  readonly hostPort: number;
  /** Port of the guest's loopback. */
  readonly guestPort: number;
  /** Address of this host. Others than loopback need profile `permissive`. @default "127.0.0.1" */
  readonly hostAddress?: string | undefined;
}

/** A forwarded port as it is listed. */
export interface ForwardedPort {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
  /** `http://` and the host's end: what a browser or HTTP client takes; other protocols use address and port. */
  readonly url: string;
}

/** A forwarded port. It ends with `close`, `await using`, or its sandbox. */
export interface PortForward extends ForwardedPort, AsyncDisposable {
  /** Stops listening and ends the connections through it. Closing again, or after the sandbox's end, does nothing. */
  close(options?: CallOptions): Promise<void>;
}

/** Ports of this host that lead into one sandbox. */
export class Ports {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /**
   * Connects a port of this host with a port of the guest until it is closed or the sandbox ends. Throws `PolicyDenied`
   * under profile `restrictive`, `InvalidArgumentError` (`PORT_UNAVAILABLE`) when the port is taken.
   */
  async forward(options: ForwardOptions): Promise<PortForward> {
    const json = forwardRequest(options);
    const call = callOf(this.#target, { method: "POST", path: "/ports", operation: "ports.forward", json }, options);
    const port = forwardedPort(await this.#target.client.json<PortInfo>(call));
    const close = (closing?: CallOptions): Promise<void> => this.#close(port.hostPort, closing);
    return { ...port, close, [Symbol.asyncDispose]: () => close() };
  }

  /** The ports that are forwarded now. */
  async list(options?: CallOptions): Promise<ForwardedPort[]> {
    const call = callOf(this.#target, { method: "GET", path: "/ports", operation: "ports.list" }, options);
    return (await this.#target.client.json<PortListDocument>(call)).ports.map(forwardedPort);
  }

  async #close(hostPort: number, options?: CallOptions): Promise<void> {
    const path = `/ports/${segment(hostPort)}`;
    const call = { method: "DELETE", path, operation: "ports.close", idempotent: true, running: true } as const;
    try {
      await this.#target.client.json(callOf(this.#target, call, options));
    } catch (error) {
      if (!isSandboxError(error) || !gone.has(error.code)) throw error;
    }
  }
}

/** What `ports.forward` asks the daemon for. Throws `InvalidArgumentError`. */
export function forwardRequest(options: ForwardOptions): PortForwardBody {
  if (typeof options !== "object" || options === null) {
    throw new InvalidArgumentError({
      message: "Cannot forward a port: hostPort and guestPort are missing",
      hint: "Name both ends: `ports.forward({ hostPort: 8080, guestPort: 80 })`; hostPort 0 takes any that is free",
    });
  }
  return defined({
    host_port: validateHostPort(options.hostPort),
    guest_port: validatePort(options.guestPort),
    host_address: options.hostAddress,
  });
}

/** Codes that say that nothing listens any more. */
const gone: ReadonlySet<string> = new Set([
  "PORT_NOT_FORWARDED",
  "SANDBOX_NOT_FOUND",
  "SANDBOX_UNAVAILABLE",
  "DAEMON_UNAVAILABLE",
]);

/** A forwarded port as the SDK shows it. */
export function forwardedPort({
  host_address,
  host_port,
  guest_port,
}: Pick<PortInfo, "host_address" | "host_port" | "guest_port">): ForwardedPort {
  const host = host_address.includes(":") ? `[${host_address}]` : host_address;
  return {
    ...{ hostAddress: host_address, hostPort: host_port, guestPort: guest_port },
    url: `http://${host}:${host_port}`,
  };
}
