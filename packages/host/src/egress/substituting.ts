import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { Refusal } from "./decision.js";
import { GuestDuplex } from "./guest-duplex.js";
import type { Carried } from "./handlers.js";
import { HttpRelay, maxHeadBytes } from "./http-relay.js";
import { type ServerTrust, speakTls, spoken } from "./server-tls.js";
import type { Substitution } from "./substitution.js";

export interface Substituting extends Substitution {
  readonly trust: ServerTrust;
  /** Authorities of the operator's, PEM. */
  readonly authorities: readonly string[];
  /** Asked before a value is sent, once for each secret and connection. When it rejects nothing is sent. */
  readonly mayUse: (secret: string) => Promise<void>;
  /** Called before a value is sent, and when a placeholder stays one: once for each secret and connection. */
  readonly onSecret: (secret: string, sent: boolean) => void;
}

/**
 * Carries a connection to a host that secrets are bound to: its TLS ends here on both sides, and requests pass with values in
 * the place of placeholders. The guest is answered only after the server has proved who it is.
 */
export async function substitute(carried: Carried, substituting: Substituting): Promise<void> {
  const { host, openingMs, guest, traffic } = carried;
  const raw = await carried.reach();
  const context = substituting.trust.context(substituting.authorities);
  const server = await speakTls(raw, { host, patienceMs: openingMs, context });
  const duplex = new GuestDuplex(guest, traffic);
  const relay = new HttpRelay(server, carried, substituting);
  const http = createServer({
    SNICallback: (_name, give) => give(null, substituting.contextFor(host)),
    ALPNProtocols: [...spoken],
    ...{ handshakeTimeout: openingMs, maxHeaderSize: maxHeadBytes, insecureHTTPParser: false, noDelay: true },
    // The connection is open as long as program and server want.
    ...{ keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
  });
  http.timeout = 0;
  http.maxHeadersCount = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      relay.serve(http, reject);
      // It is closed without a word by programs that do not believe the certificate, too.
      const refused = (): void => reject(new Refusal("guest_tls"));
      http.on("tlsClientError", refused);
      duplex.once("close", refused);
      http.on("secureConnection", (program: TLSSocket) => {
        duplex.off("close", refused).once("close", resolve);
        program.on("error", () => undefined);
        program.once("close", resolve);
        relay.attach(program);
      });
      duplex.on("error", () => undefined);
      http.emit("connection", duplex);
    });
    // What was written last is still on its way to the guest.
    if (!duplex.writableEnded) duplex.end();
  } finally {
    server.destroy();
  }
}
