import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { Authority } from "../../src/secrets/authority.js";

/** Whether a client that trusts the authority believes the certificate it makes for a host. */
async function believed(authority: Authority, host: string): Promise<string> {
  const server = createServer({
    SNICallback: (_name, give) => give(null, authority.contextFor(host)),
  });
  onTestFinished(() => void server.close());
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect({ port: (server.address() as AddressInfo).port, servername: host, ca: authority.certificate });
  try {
    await once(socket, "secureConnect");
    return "believed";
  } catch (error) {
    return (error as Error).message;
  } finally {
    socket.destroy();
  }
}

test("K-18 an authority vouches for the hosts it was made for, and is believed for no other", async () => {
  const authority = Authority.make(["api.example.com", "*.wild.example"]);
  expect(await believed(authority, "api.example.com")).toBe("believed");
  expect(await believed(authority, "x.wild.example")).toBe("believed");
  for (const host of ["evil.example", "example.com", "notapi.example.com", "api.example.com.evil.example"])
    expect(await believed(authority, host), host).toBe("permitted subtree violation");
});

test("K-18 each sandbox has an authority of its own", async () => {
  const [one, other] = [Authority.make(["a.test"]), Authority.make(["a.test"])];
  expect(new X509Certificate(one.certificate).fingerprint256).not.toBe(
    new X509Certificate(other.certificate).fingerprint256,
  );
  const mixed = Authority.load({ certificate: one.certificate, key: other.save().key });
  expect(await believed(mixed, "a.test")).not.toBe("believed");
});

test("a saved authority goes on as the same", async () => {
  const authority = Authority.make(["a.test"]);
  const again = Authority.load(JSON.parse(JSON.stringify(authority.save())) as ReturnType<Authority["save"]>);
  expect(again.certificate).toBe(authority.certificate);
  expect(await believed(again, "a.test")).toBe("believed");
});

test("OpenSSL's strict rules accept it, and look it up by the name that the guest's agent writes", () => {
  const directory = mkdtempSync(join(tmpdir(), "mvm-authority-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "ca.pem");
  writeFileSync(path, Authority.make(["a.test"]).certificate);
  const openssl = (...args: string[]): string => execFileSync("openssl", args).toString();
  expect(openssl("verify", "-x509_strict", "-CAfile", path, path)).toContain("OK");
  expect(openssl("x509", "-in", path, "-noout", "-subject_hash").trim()).toBe("07e72241");
});
