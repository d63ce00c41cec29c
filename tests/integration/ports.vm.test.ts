import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type PortForward, Sandbox } from "@mvm/sdk";
import { beforeAll, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import { growthMb, sh, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;

/** One server with a port for each manner: 7001 echoes, 7002 answers the hash of what came, 7003 floods, 7004 never reads. */
const server = `
import asyncio, hashlib, socket
async def echo(r, w):
    while data := await r.read(65536):
        w.write(data); await w.drain()
    w.close()
async def digest(r, w):
    h = hashlib.sha256()
    while data := await r.read(65536): h.update(data)
    w.write(h.hexdigest().encode()); await w.drain(); w.close()
async def flood(r, w):
    block = b"x" * 65536
    while True:
        w.write(block); await w.drain()
async def deaf(r, w): await asyncio.sleep(3600)
async def reset(r, w):
    w.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0"); w.transport.abort()
async def main():
    for port, serve in {7001: echo, 7002: digest, 7003: flood, 7004: deaf, 7005: reset}.items():
        await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
`;

const dial = async (port: number, host = "127.0.0.1"): Promise<Socket> => {
  const socket = connect({ port, host, allowHalfOpen: true });
  await once(socket, "connect");
  return socket.on("error", () => undefined);
};
const refused = async (port: number, host?: string): Promise<string> =>
  dial(port, host).then(
    (socket) => (socket.destroy(), "open"),
    ({ code }: NodeJS.ErrnoException) => code ?? "",
  );
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
/** Connections of this host's side that are open at the given ports. */
function established(ports: readonly number[]): number {
  const local = new Set(ports.map((port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`));
  const lines = readFileSync("/proc/net/tcp", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return lines.filter(([, address = "", , state]) => state === "01" && local.has(address)).length;
}
const forward = (guestPort: number): Promise<PortForward> => sandbox.ports.forward({ hostPort: 0, guestPort });

beforeAll(async () => {
  sandbox = await scene.sandbox();
  const running = await sandbox.commands.start(["python3", "-c", server]);
  for await (const event of running) if (event.type === "stdout") break;
});

it("answers HTTP at its url, is listed, and is gone when it is closed", async () => {
  await sandbox.files.write("site/index.html", "hello from the guest\n");
  await sandbox.commands.start(["python3", "-m", "http.server", "8000", "--bind", "127.0.0.1", "-d", "site"]);
  const port = await forward(8000);
  let page = "";
  await until("the guest serves", async () => {
    page = await fetch(port.url).then(
      (answer) => answer.text(),
      () => "",
    );
    return page !== "";
  });
  expect(page).toBe("hello from the guest\n");
  const listed = { hostAddress: "127.0.0.1", hostPort: port.hostPort, guestPort: 8000, url: port.url };
  expect(await sandbox.ports.list()).toEqual([listed]);
  expect((await sandbox.status()).ports).toMatchObject([{ hostPort: port.hostPort }]);
  await port.close();
  await port.close();
  expect(await refused(port.hostPort)).toBe("ECONNREFUSED");
});

it("passes an end of one direction on, and bytes exactly, at the pace of the slower end", async () => {
  await using port = await forward(7002);
  const data = randomBytes(5_000_000);
  const socket = await dial(port.hostPort);
  socket.end(data);
  expect((await all(socket)).toString()).toBe(sha256(data));
});

it("L-06 a port where nothing listens, or that resets, resets the connection; the forward stays", async () => {
  for (const guestPort of [9, 7005]) {
    await using port = await forward(guestPort);
    for (let tries = 0; tries < 2; tries++) {
      // The reset can be there before this process has looked at its connection.
      const code = await dial(port.hostPort)
        .then(all)
        .then(
          () => "ended",
          ({ code }: NodeJS.ErrnoException) => code,
        );
      expect(code, String(guestPort)).toBe("ECONNRESET");
    }
  }
});

it("carries 200 connections at once, while others are slow, reset or refused", async () => {
  await using echo = await forward(7001);
  await using flood = await forward(7003);
  const slow = await Promise.all(Array.from({ length: 5 }, () => dial(flood.hostPort)));
  slow.forEach((socket) => socket.pause());
  const one = async (at: number): Promise<string> => {
    const socket = await dial(echo.hostPort);
    const data = randomBytes(20_000 + at);
    if (at % 10 === 9) {
      socket.write(data);
      await once(socket, "data");
      socket.resetAndDestroy();
      return "reset";
    }
    socket.end(data);
    return sha256(await all(socket)) === sha256(data) ? "same" : "different";
  };
  const outcomes = await Promise.all(Array.from({ length: 200 }, (_, at) => one(at)));
  expect(outcomes.filter((outcome) => outcome === "same")).toHaveLength(180);
  expect(outcomes.filter((outcome) => outcome === "different")).toHaveLength(0);
  expect((await sh(sandbox, "echo alive")).stdout).toBe("alive\n");
  // A slow reader has lost nothing: it goes on where it stopped.
  const [first] = slow;
  first!.resume();
  const [chunk] = (await once(first!, "data")) as [Buffer];
  expect(chunk.every((byte) => byte === 0x78)).toBe(true);
  slow.forEach((socket) => socket.destroy());
});

it("L-07 floods, peers that never read and a thousand connections stay within bounds, and exec goes on", async () => {
  await using flood = await forward(7003);
  await using deaf = await forward(7004);
  const round = async (count: number): Promise<Socket[]> => {
    const dialled = await Promise.allSettled(
      Array.from({ length: count }, (_, at) => dial(at % 2 === 0 ? flood.hostPort : deaf.hostPort)),
    );
    const sockets = dialled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    sockets.forEach((socket) => socket.pause().write(Buffer.alloc(400_000)));
    await sleep(1_000);
    return sockets;
  };
  const warm = await round(20);
  warm.forEach((socket) => socket.destroy());
  let sockets: Socket[] = [];
  const growth = await growthMb(scene.daemon(), async () => {
    sockets = await round(1_000);
    expect((await sh(sandbox, "echo alive")).stdout).toBe("alive\n");
  });
  console.log(`a thousand connections through a forward: the daemon grew by ${growth.toFixed(0)} MiB`);
  // 256 connections may each hold one credit of 256 KiB in each direction.
  expect(growth).toBeLessThan(192);
  const open = established([flood.hostPort, deaf.hostPort]);
  expect(open).toBeGreaterThan(200);
  expect(open).toBeLessThanOrEqual(256);
  sockets.forEach((socket) => socket.destroy());
  await until("new connections are taken again", async () => {
    await using echo = await forward(7001);
    const socket = await dial(echo.hostPort);
    socket.end("again");
    return (await all(socket).catch(() => "")).toString() === "again";
  });
});

it("L-02 nobody but this host can connect, and what is not allowed says why", async () => {
  const port = await forward(7001);
  const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (const { address, family } of others.filter(({ internal }) => !internal)) {
    if (family === "IPv4") expect(await refused(port.hostPort, address), address).not.toBe("open");
  }
  const beyond = { hostAddress: "0.0.0.0", hostPort: 0, guestPort: 7001 };
  expect(await verdict(sandbox.ports.forward(beyond))).toBe("PolicyDenied POLICY_DENIED");
  expect(await verdict(sandbox.ports.forward({ hostPort: port.hostPort, guestPort: 1 }))).toBe(
    "InvalidArgumentError PORT_UNAVAILABLE",
  );
  const shut = await scene.sandbox({ profile: "restrictive" });
  expect(await verdict(shut.ports.forward({ hostPort: 0, guestPort: 80 }))).toBe("PolicyDenied POLICY_DENIED");
  await shut.destroy();
  await port.close();
});

it("L-03 L-04 D-06 the CLI forwards, a killed daemon's successor binds again, and the end of the machine ends it", async () => {
  const { home } = scene;
  const ports = (...args: string[]) => cli(["ports", ...args], { home });
  expect((await cli(["up", "served", "--ttl", "10m"], { home })).code).toBe(0);
  const port = document(await ports("forward", "served", "0:8001", "--json"));
  const hostPort = port["host_port"] as number;
  expect(port).toMatchObject({ guest_port: 8001, url: `http://127.0.0.1:${hostPort}` });
  for (const bad of ["80abc:80", "8080", "65536:80", "8080:0", "a:b:c:d"]) {
    expect((await ports("forward", "served", bad)).code, bad).toBe(64);
  }
  const served = await Sandbox.connect("served", { home });
  await served.commands.start(["python3", "-m", "http.server", "8001", "--bind", "127.0.0.1"]);
  const page = (): Promise<number> =>
    fetch(`http://127.0.0.1:${hostPort}`).then(
      (answer) => answer.status,
      () => 0,
    );
  await until("the guest's server answers", async () => (await page()) === 200);
  process.kill(scene.daemon(), "SIGKILL");
  await until("the daemon is gone", async () => (await refused(hostPort)) === "ECONNREFUSED");
  expect((await ports("ls", "served")).stdout.toString()).toMatch(new RegExp(`127.0.0.1 +${hostPort} +8001`));
  await until("the guest's server answers through the next daemon", async () => (await page()) === 200);
  expect((await ports("rm", "served", String(hostPort))).code).toBe(0);
  expect((await ports("rm", "served", String(hostPort))).code).toBe(64);
  const again = await served.ports.forward({ hostPort, guestPort: 8001 });
  process.kill(scene.machine(served)!, "SIGKILL");
  await until("nothing listens for a dead machine", async () => (await refused(again.hostPort)) === "ECONNREFUSED");
  await again.close();
  await served.destroy();
});

it("D-06 nothing listens for a sandbox that is stopped or cold; what was forwarded is again, unless it was taken", async () => {
  const own = await scene.sandbox();
  const [kept, taken, removed] = [
    await own.ports.forward({ hostPort: 0, guestPort: 9000 }),
    await own.ports.forward({ hostPort: 0, guestPort: 9001 }),
    await own.ports.forward({ hostPort: 0, guestPort: 9002 }),
  ];
  const listed = async (): Promise<number[]> => (await own.ports.list()).map(({ hostPort }) => hostPort);
  await own.stop();
  expect([await listed(), await refused(kept.hostPort)]).toEqual([[], "ECONNREFUSED"]);
  await own.start();
  expect([await listed(), await refused(kept.hostPort)]).toEqual([
    [kept.hostPort, taken.hostPort, removed.hostPort],
    "open",
  ]);
  await own.cold();
  await removed.close();
  const stranger = createServer().listen(taken.hostPort, "127.0.0.1");
  await once(stranger, "listening");
  await own.resume();
  stranger.close();
  expect([await listed(), await refused(kept.hostPort)]).toEqual([[kept.hostPort], "open"]);
  const log: string[] = [];
  for await (const { line } of own.logs({ source: "supervisor" })) log.push(line);
  expect(log.join()).toContain("port_lost");
  await own.destroy();
  expect(await refused(kept.hostPort)).toBe("ECONNREFUSED");
});
