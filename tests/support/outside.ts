import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "@mvm/sdk";
import { expect } from "vitest";
import { root } from "./scene.js";

/** A certificate authority that nobody trusts, and a certificate of it for some names. */
export interface Authority {
  readonly ca: string;
  /** The name under which OpenSSL looks for it in a directory of certificates. */
  readonly hash: string;
  readonly key: string;
  readonly cert: string;
}

export function makeAuthority(names: readonly string[]): Authority {
  const directory = mkdtempSync(join(tmpdir(), "mvm-ca-"));
  const openssl = (...args: string[]): string =>
    execFileSync("openssl", args, { cwd: directory, stdio: "pipe" }).toString();
  const read = (file: string): string => readFileSync(join(directory, file), "utf8");
  try {
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "2",
      "-subj",
      "/CN=Test CA",
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    );
    openssl("req", ...newKey, "-keyout", "key", "-out", "csr", "-subj", "/CN=server");
    // What strict verifiers ask of a certificate of today.
    const extensions = [
      `subjectAltName=${names.map((name) => `DNS:${name}`).join()}`,
      ...["basicConstraints=CA:FALSE", "authorityKeyIdentifier=keyid", "subjectKeyIdentifier=hash"],
    ];
    writeFileSync(join(directory, "ext"), extensions.join("\n"));
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"];
    openssl("x509", "-req", "-in", "csr", "-out", "cert", ...signed);
    const hash = openssl("x509", "-hash", "-noout", "-in", "ca.pem").trim();
    return { ca: read("ca.pem"), hash, key: read("key"), cert: read("cert") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Makes the programs of a Debian guest believe the authority. */
export async function trust(sandbox: Sandbox, { ca, hash }: Authority): Promise<void> {
  await sandbox.files.write("/etc/ssl/certs/test-ca.pem", ca);
  const script = `ln -sf test-ca.pem /etc/ssl/certs/${hash}.0 && cat /etc/ssl/certs/test-ca.pem >>/etc/ssl/certs/ca-certificates.crt`;
  expect(await sandbox.commands.run(["sh", "-c", script], root)).toMatchObject({ exitCode: 0, stderr: "" });
}

/** A server on the host's loopback that lives as long as its file's tests. */
export interface Outside {
  readonly port: number;
  /** Connections it ever got. */
  connections: number;
  readonly sockets: Set<Socket>;
  close(): Promise<void>;
}

export function serveHttps({ key, cert }: Authority, listener: RequestListener): Promise<Outside> {
  return listen(createHttps({ key, cert }, listener));
}

export function serveHttp(listener: RequestListener): Promise<Outside> {
  return listen(createHttp(listener));
}

export function serveTcp(listener: (socket: Socket) => void): Promise<Outside> {
  return listen(createTcp({ allowHalfOpen: true }, listener));
}

async function listen(server: Server | HttpServer): Promise<Outside> {
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, resolve));
  const sockets = new Set<Socket>();
  const outside: Outside = {
    port: (server.address() as AddressInfo).port,
    connections: 0,
    sockets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  server.on("connection", (socket: Socket) => {
    outside.connections++;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  return outside;
}

/** What the operator of a home says about names: the only way tests lead them to servers of this host. */
export function operatorNetwork(
  home: string,
  network: { overrides?: Record<string, string>; resolvers?: readonly string[]; authorities?: readonly string[] },
): void {
  mkdirSync(join(home, "policy"), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, "policy", "network.json"), JSON.stringify(network), { mode: 0o600 });
}
