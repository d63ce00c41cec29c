import { readFileSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { connect, createSecureContext, rootCertificates, type SecureContext, type TLSSocket } from "node:tls";
import { Refusal } from "./decision.js";

/** Where distributions keep whom this host trusts; Node's own list stands in where there is none. */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The only protocol that is spoken here. */
export const spoken = ["http/1.1"];

/** Whom this host trusts to vouch for servers. No variable of the daemon's environment has a say. */
export class ServerTrust {
  #stamp = "";
  #context: SecureContext | undefined;

  constructor(private readonly bundles: readonly string[] = systemBundles) {}

  /** @param more authorities of the operator's, PEM */
  context(more: readonly string[]): SecureContext {
    const bundle = this.bundles.map(stampOf).find((found) => found !== undefined);
    const stamp = JSON.stringify([bundle, more]);
    if (this.#context === undefined || stamp !== this.#stamp) {
      const roots = bundle === undefined ? rootCertificates : [readFileSync(bundle.path, "utf8")];
      this.#context = createSecureContext({ ca: [...roots, ...more], minVersion: "TLSv1.2" });
      this.#stamp = stamp;
    }
    return this.#context;
  }
}

function stampOf(path: string): { path: string; stamp: string } | undefined {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return { path, stamp: `${ino} ${mtimeMs} ${size}` };
  } catch {
    return undefined;
  }
}

/**
 * Speaks TLS with the real server, whose certificate must be of this host's name and of somebody who is trusted.
 * @throws {Refusal} not_verified
 */
export async function speakTls(
  socket: Socket,
  { host, patienceMs, context }: { host: string; patienceMs: number; context: SecureContext },
): Promise<TLSSocket> {
  const tls = connect({
    ...{ socket, servername: host, secureContext: context, ALPNProtocols: spoken, minVersion: "TLSv1.2" },
    // Said outright: a variable of the environment could turn it off.
    rejectUnauthorized: true,
  });
  // Stays: an error of a socket that nobody reads yet must not end the daemon.
  tls.on("error", () => undefined);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<TLSSocket>((resolve, reject) => {
      const fail = (): void => reject(new Refusal("not_verified"));
      timer = setTimeout(fail, patienceMs);
      tls.once("secureConnect", () => (tls.authorized ? resolve(tls) : fail()));
      tls.once("error", fail);
      tls.once("close", fail);
    });
  } catch (error) {
    tls.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
