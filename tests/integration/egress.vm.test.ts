import { NetworkPolicy, type Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import {
  makeAuthority,
  operatorNetwork,
  type Outside,
  serveHttp,
  serveHttps,
  serveTcp,
  trust,
} from "../support/outside.js";
import { root, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const authority = makeAuthority(["api.test", "deep.wild.test", "other.test"]);
const policy = NetworkPolicy.denyByDefault()
  .allowHttps("api.test")
  .allowHttps("*.wild.test")
  .allowHttp("plain.test")
  .allowTcp("raw.test", 7000)
  .allowTcp("192.0.2.10", 7000);
let https: Outside;
let http: Outside;
let tcp: Outside;
let sandbox: Sandbox;

beforeAll(async () => {
  https = await serveHttps(authority, (request, response) => {
    response.end(`${request.headers.host} ${request.url}`);
  });
  http = await serveHttp((request, response) => response.end(`plain ${request.headers.host}`));
  tcp = await serveTcp((socket) => socket.pipe(socket));
  const to = (outside: Outside): string => `127.0.0.1:${outside.port}`;
  operatorNetwork(scene.home, {
    overrides: {
      ...{ "api.test": to(https), "deep.wild.test": to(https), "other.test": to(https) },
      ...{ "plain.test": to(http), "raw.test": to(tcp), "192.0.2.10": to(tcp) },
    },
  });
  sandbox = await scene.sandbox({ network: policy });
  await trust(sandbox, authority);
});
afterAll(async () => {
  await Promise.all([https, http, tcp].map((outside) => outside.close()));
});

const bash = (script: string): string => `timeout 30 bash -c ${JSON.stringify(script)}`;

describe("allowed names", () => {
  it("curl reaches what a rule names, over HTTPS, HTTP and TCP", async () => {
    expect(await text(sandbox, "curl -sS https://api.test/a")).toBe("api.test /a");
    expect(await text(sandbox, "curl -sS https://API.test./b")).toMatch(/^API.test.? \/b$/i);
    expect(await text(sandbox, "curl -sS https://deep.wild.test/c")).toBe("deep.wild.test /c");
    expect(await text(sandbox, "curl -sS http://plain.test/")).toBe("plain plain.test");
    expect(await text(sandbox, bash("exec 3<>/dev/tcp/raw.test/7000; echo hello >&3; head -n1 <&3"))).toBe("hello");
    expect(await text(sandbox, bash("exec 3<>/dev/tcp/192.0.2.10/7000; echo there >&3; head -n1 <&3"))).toBe("there");
  });

  it("half-closed connections carry the other direction to its end", async () => {
    const script = `
import socket
s = socket.create_connection(("raw.test", 7000))
s.sendall(b"x" * 1_000_000)
s.shutdown(socket.SHUT_WR)
got = 0
while chunk := s.recv(65536): got += len(chunk)
print(got)`;
    expect(await sandbox.commands.run(["python3", "-c", script])).toMatchObject({ stderr: "", stdout: "1000000\n" });
  });

  it("takes no port from the guest: a server of its own on all addresses keeps 443", async () => {
    const script = `
import socket, ssl, urllib.request
own = socket.socket(); own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
own.bind(("0.0.0.0", 443)); own.listen()
print(urllib.request.urlopen("https://api.test/while").read().decode())
near = socket.create_connection(("127.0.0.1", 443)); own.accept(); print("own")`;
    expect(await sandbox.commands.run(["python3", "-c", script], root)).toMatchObject({
      ...{ stderr: "", stdout: "api.test /while\nown\n" },
    });
  });
});

describe("everything else fails fast", () => {
  it.each([
    ["a name on no list", "curl -sS https://other.test/", 6],
    ["the apex of a wildcard", "curl -sS https://wild.test/", 6],
    ["an allowed name on another port", "curl -sS https://api.test:8443/", "refused"],
    ["an address", "curl -sS https://192.0.2.11/", 7],
    ["an address of the mapped range that stands for nothing", "curl -sS https://198.19.3.4/", "refused"],
    ["another port of an allowed address", "curl -sS http://192.0.2.10:80/", "refused"],
    ["IPv6", "curl -sS 'https://[2001:db8::1]/'", 7],
    ["UDP", "exec 3>/dev/udp/192.0.2.11/53", 1],
  ])("%s", async (_what, script, code) => {
    const before = https.connections + tcp.connections;
    const began = performance.now();
    const result = await sh(sandbox, bash(script));
    expect(performance.now() - began).toBeLessThan(30_000);
    // Refused before or after the three-way handshake, as the kernel finds time: both are an immediate end.
    if (code === "refused") expect([7, 35, 56]).toContain(result.exitCode);
    else expect(result.exitCode).toBe(code);
    expect(https.connections + tcp.connections).toBe(before);
  });

  it("a sandbox without rules has loopback alone and no resolver", async () => {
    const closed = await scene.sandbox();
    expect(await text(closed, "ls /sys/class/net; cat /etc/resolv.conf")).toBe("lo");
    expect((await sh(closed, "timeout 20 curl -sS https://api.test/")).exitCode).toBe(6);
    expect((await sh(closed, "timeout 20 curl -sS http://192.0.2.10:7000/")).exitCode).toBe(7);
    expect((await sh(closed, "timeout 20 curl -sS http://198.18.0.1/")).exitCode).toBe(7);
  });

  it("each decision is in the sandbox's log, with the bytes that passed", async () => {
    await text(sandbox, "curl -sS https://api.test/logged");
    const lines: Record<string, unknown>[] = [];
    await until("the end is logged", async () => {
      lines.length = 0;
      for await (const { line } of sandbox.logs({ source: "supervisor" })) lines.push(JSON.parse(line));
      return lines.at(-1)?.["event"] === "egress.ended";
    });
    expect(lines.at(-2)).toMatchObject({ event: "egress.allowed", host: "api.test", port: 443, address: "127.0.0.1" });
    expect(lines.at(-1)).toMatchObject({
      cut: null,
      sent_bytes: expect.any(Number),
      received_bytes: expect.any(Number),
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ event: "egress.refused", host: "other.test", reason: "no_rule", by: "guest" }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ event: "egress.refused", host: "api.test", port: 8443 }));
  });

  it("what was denied is in its tenant's audit log: the first at once, the others as a count at its end", async () => {
    const own = await scene.sandbox({ network: policy, tenant: "acme" });
    for (let n = 0; n < 3; n++) await sh(own, "timeout 20 curl -sS http://api.test:443/");
    const entries = async () => {
      const { stdout } = await cli(["audit", "tail", "-n", "500", "--json", "--tenant", "acme"], { home: scene.home });
      return stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { event: string; sandbox_id: string; data: object })
        .filter((entry) => entry.sandbox_id === own.id && /^(egress|sandbox\.ended)/.test(entry.event));
    };
    const denial = { host: "api.test", port: 443, reason: "not_tls", by: "host" };
    expect((await entries()).map(({ event, data }) => [event, data])).toEqual([["egress.denied", denial]]);
    await own.destroy();
    await until("its end is recorded", async () => (await entries()).length === 3);
    const [, summary, ended] = await entries();
    expect(summary).toMatchObject({ event: "egress.denied.summary", data: { repeated: [{ ...denial, count: 2 }] } });
    expect(ended).toMatchObject({ event: "sandbox.ended" });
    expect((await cli(["audit", "verify", "--tenant", "acme"], { home: scene.home })).code).toBe(0);
  });
});

describe("surfaces", () => {
  it("run --allow-host needs a profile that allows a network, and names the rule", async () => {
    const refused = await cli(["run", "--json", "--allow-host", "api.test", "--", "true"], { home: scene.home });
    expect(refused.code).toBe(77);
    expect(document(refused)["error"]).toMatchObject({
      name: "PolicyDenied",
      rule: "profile.restrictive.network",
      hint: expect.stringContaining('"standard"'),
    });
    const argv = ["--profile", "standard", "--allow-host", "plain.test:80", "--", "curl", "-sS", "http://plain.test/"];
    const { stdout } = await cli(["run", ...argv], { home: scene.home });
    expect(stdout.toString()).toBe("plain plain.test");
  });
});
