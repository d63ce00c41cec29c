import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { NetworkPolicyDocument, NetworkRule } from "@mvm/protocol";
import { FrameType } from "@mvm/protocol/frames";
import { expect, onTestFinished, test } from "vitest";
import { dial } from "../../src/egress/dial.js";
import { compileRules } from "../../src/egress/rules.js";
import { Names, vet } from "../../src/egress/resolve.js";
import { classifyAddress } from "../../src/egress/addresses.js";
import { nameServer as serveNames, type NameServer } from "../../../../tests/support/name-server.js";
import { scene, settles } from "./gateway-guest.js";

const rule = (host: string, port: number, protocol: NetworkRule["protocol"] = "tcp"): NetworkRule => ({
  ...{ host, port, protocol },
});
const policy = (...allow: NetworkRule[]): NetworkPolicyDocument => ({ default: "deny", allow });

/** A server on this host's loopback that echoes, and counts whom it met. */
async function server(onSocket: (socket: Socket) => void = (socket) => void socket.pipe(socket)) {
  const sockets = new Set<Socket>();
  const listening = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  return { port: (listening.address() as AddressInfo).port, sockets };
}

async function nameServer(answer: (name: string) => readonly string[]): Promise<NameServer> {
  const server = await serveNames(answer);
  onTestFinished(() => server.close());
  return server;
}

test("bytes pass both ways, are counted, and end in order", async () => {
  const { port } = await server();
  const { egress, knock, decisions, told } = await scene(policy(rule("echo.test", 7)), {
    overrides: { "echo.test": `127.0.0.1:${port}` },
  });
  expect(told()).toEqual([{ host: "echo.test", port: 7 }]);
  const program = knock("echo.test", 7);
  program.send("hello");
  await settles(() => Buffer.concat(program.received).toString(), "hello");
  program.end();
  await settles(() => program.ended, "end");
  await settles(() => decisions.map(({ decision }) => decision), ["allowed", "ended"]);
  expect(decisions).toMatchObject([
    { host: "echo.test", port: 7, address: "127.0.0.1" },
    { cut: null, sent_bytes: 5, received_bytes: 5 },
  ]);
  expect(egress.connections).toBe(1); // until the guest says that its side is over
});

test.each([
  ["no_rule", rule("a.test", 7), "b.test", 7, ""],
  ["no_rule", rule("a.test", 7), "a.test", 8, ""],
  ["no_rule", rule("*.a.test", 7), "a.test", 7, ""],
  ["not_tls", rule("a.test", 7, "https"), "a.test", 7, "GET / HTTP/1.1\r\n"],
  ["not_http", rule("a.test", 7, "http"), "a.test", 7, "CONNECT b.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["other_host", rule("a.test", 7, "http"), "a.test", 7, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"],
  ["other_host", rule("a.test", 7, "http"), "a.test", 7, "GET / HTTP/1.1\r\nHost: a.test:8\r\n\r\n"],
] as const)("N-10 N-14 %s: a reset, and nobody outside hears of it", async (reason, allowed, host, port, opening) => {
  const outside = await server();
  const { knock, decisions } = await scene(policy(allowed), {
    overrides: { "a.test": `127.0.0.1:${outside.port}`, "b.test": `127.0.0.1:${outside.port}` },
  });
  const program = knock(host, port);
  if (opening !== "") program.send(opening);
  await settles(() => program.ended, "reset");
  expect(decisions).toEqual([{ decision: "refused", host, port, reason, by: "host" }]);
  expect(outside.sockets.size).toBe(0);
});

test("N-04 N-07 a name that resolves to a private address is refused, unless a rule names that address", async () => {
  const outside = await server();
  const dns = await nameServer(() => ["127.0.0.1"]);
  const inward = rule("inward.test", outside.port);
  const { egress, knock, decisions } = await scene(policy(inward), { resolvers: [dns.address] });
  const program = knock("inward.test", outside.port);
  await settles(() => program.ended, "reset");
  expect(decisions).toMatchObject([{ decision: "refused", reason: "private_address" }]);
  expect(outside.sockets.size).toBe(0);
  await egress.setPolicy(policy(inward, rule("127.0.0.1", outside.port)));
  const named = knock("inward.test", outside.port);
  named.send("now");
  await settles(() => Buffer.concat(named.received).toString(), "now");
  // The rule that admitted the address goes, and with it the connection.
  await egress.setPolicy(policy(inward));
  await settles(() => named.ended, "reset");
});

test("the next address is tried when one does not answer, and when none does that is said", async () => {
  const { port } = await server();
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const closed = { address: "127.0.0.1", port: (gone.address() as AddressInfo).port };
  await new Promise((resolve) => gone.close(resolve));
  const { signal } = new AbortController();
  const socket = await dial([closed, { address: "127.0.0.1", port }], signal);
  expect(socket.remotePort).toBe(port);
  socket.destroy();
  await expect(dial([closed, closed], signal)).rejects.toMatchObject({ reason: "unreachable" });
  await expect(dial([{ address: "127.0.0.1", port }], AbortSignal.abort())).rejects.toMatchObject({
    reason: "unreachable",
  });
});

test("N-12 a name on no list is never looked up", async () => {
  const dns = await nameServer(() => []);
  const { knock, decisions } = await scene(policy(rule("a.test", 7)), { resolvers: [dns.address] });
  const programs = ["secret-data.evil.test", "x.a.test", "b.test"].map((host) => knock(host, 7));
  await settles(() => programs.map(({ ended }) => ended), ["reset", "reset", "reset"]);
  expect(dns.asked).toEqual([]);
  await settles(
    () => knock("a.test", 7) && decisions.some((one) => "reason" in one && one.reason === "not_resolved"),
    true,
  );
  expect(new Set(dns.asked)).toEqual(new Set(["a.test"]));
});

test("N-05 N-06 a thousand answers of a rebinding name server lead to no private address", async () => {
  const answers = [["93.184.215.14"], ["127.0.0.1"], ["169.254.169.254", "93.184.215.14"], ["10.0.0.1", "192.168.0.1"]];
  let turn = 0;
  const dns = await nameServer(() => answers[turn++ % answers.length]!);
  const rules = compileRules(policy(rule("rebind.test", 443)));
  const operator = { override: () => undefined, resolvers: [dns.address], authorities: [] };
  const names = new Names();
  const outcomes = new Map<string, number>();
  for (let n = 0; n < 1000; n++) {
    const outcome = await vet({ host: "rebind.test", port: 443 }, { rules, operator, names }).then(
      (vetted) => {
        for (const { address } of vetted) expect(classifyAddress(address)).toBe("public");
        return "dialled";
      },
      (error: Error) => error.message,
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(Object.fromEntries(outcomes)).toEqual({ dialled: 500, private_address: 500 });
});

test("N-15 a connection that the new policy does not allow is cut, others go on", async () => {
  const outside = await server();
  const to = `127.0.0.1:${outside.port}`;
  const { egress, knock, decisions, told } = await scene(policy(rule("a.test", 7), rule("b.test", 7)), {
    overrides: { "a.test": to, "b.test": to },
  });
  const [a, b] = [knock("a.test", 7), knock("b.test", 7)];
  for (const program of [a, b]) program.send("x");
  await settles(() => [a, b].map(({ received }) => received.length), [1, 1]);
  await egress.setPolicy(policy(rule("b.test", 7)));
  expect(told()).toEqual([{ host: "b.test", port: 7 }]);
  await settles(() => a.ended, "reset");
  expect(decisions.at(-1)).toMatchObject({ decision: "ended", host: "a.test", cut: "policy_changed" });
  b.send("y");
  await settles(() => Buffer.concat(b.received).toString(), "xy");
  // The same host, but now its bytes have to be looked at: what has begun unseen cannot go on.
  await egress.setPolicy(policy(rule("b.test", 7, "https")));
  await settles(() => b.ended, "reset");
  await settles(() => outside.sockets.size && [...outside.sockets].every((socket) => socket.destroyed), true);
});

test("N-16 a guest that floods with connections gets no more than its share, and none of it stays", async () => {
  const outside = await server();
  const { egress, knock, guest } = await scene(policy(rule("a.test", 7)), {
    overrides: { "a.test": `127.0.0.1:${outside.port}` },
  });
  const programs = Array.from({ length: 5_000 }, () => knock("a.test", 7));
  await settles(() => egress.connections, 2_048);
  await settles(() => outside.sockets.size, 1_024);
  expect(programs.filter(({ ended }) => ended === "reset").length).toBeLessThanOrEqual(1_024);
  guest.socket.destroy();
  await settles(() => egress.connections, 0);
  await settles(() => [...outside.sockets].every((socket) => socket.destroyed), true);
});

test("a server that does not read holds up its own connection, and no more than the stream's credit waits for it", async () => {
  const deaf = await server((socket) => void socket.pause());
  const outside = await server();
  const { knock, guest } = await scene(policy(rule("deaf.test", 7), rule("a.test", 7)), {
    overrides: { "deaf.test": `127.0.0.1:${deaf.port}`, "a.test": `127.0.0.1:${outside.port}` },
  });
  const chunk = Buffer.alloc(65_536);
  const program = knock("deaf.test", 7);
  let sent = 0;
  let allowed = 262_144;
  const before = guest.onFrame;
  guest.onFrame = (frame, from) => {
    if (frame.type === FrameType.CREDIT) allowed += Buffer.from(frame.payload).readUInt32LE();
    before(frame, from);
    send();
  };
  const send = (): void => {
    for (; sent + chunk.length <= allowed; sent += chunk.length) program.send(chunk);
  };
  send();
  // The kernel's buffers fill, then nothing is given back any more: far below what a program would like to send.
  let last = -1;
  await settles(() => last === (last = sent), true);
  for (let n = 0; n < 5; n++) {
    const other = knock("a.test", 7);
    other.send("hello");
    await settles(() => Buffer.concat(other.received).toString(), "hello");
  }
  expect(sent).toBeLessThan(64 * 1024 * 1024);
});

test("a program that dies takes its connection with it, also when the server pours and it had ended its own side", async () => {
  const outside = await server((socket) => {
    const pour = (): void => {
      while (socket.write(Buffer.alloc(65_536)));
    };
    socket.on("drain", pour);
    pour();
  });
  const { egress, knock } = await scene(policy(rule("a.test", 7)), {
    overrides: { "a.test": `127.0.0.1:${outside.port}` },
  });
  const programs = [knock("a.test", 7), knock("a.test", 7)];
  programs[0]!.end();
  await settles(() => programs.every(({ received }) => received.length > 0), true);
  for (const program of programs) program.die();
  await settles(() => egress.connections, 0);
  await settles(() => [...outside.sockets].every((socket) => socket.destroyed), true);
});

test("the operator's broken file allows nothing, not even what was resolved before", async () => {
  const outside = await server();
  const { knock, decisions } = await scene(policy(rule("a.test", 7)), {
    overrides: { "a.test": `localhost:${outside.port}` },
  });
  const program = knock("a.test", 7);
  await settles(() => program.ended, "reset");
  expect(decisions).toMatchObject([{ decision: "refused", reason: "operator_file" }]);
});

test("what a hostile guest says of refusals is bounded", async () => {
  const { guest, decisions, knock } = await scene(policy(rule("a.test", 7)));
  for (let n = 0; n < 1000; n++)
    guest.message(FrameType.EVENT, 1, { event: "refused", host: `n${n}.test`, port: null });
  const program = knock("b.test", 7);
  await settles(() => program.ended, "reset");
  expect(decisions.filter((one) => "by" in one && one.by === "guest")).toHaveLength(100);
});
