import process from "node:process";
import { NetworkPolicy, type Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorNetwork, type Outside, serveTcp } from "../support/outside.js";
import { sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const connect = (host: string): string =>
  `timeout 30 bash -c 'exec 3<>/dev/tcp/${host}/7000; echo hello >&3; head -n1 <&3'`;
let server: Outside;
let sandbox: Sandbox;

beforeAll(async () => {
  server = await serveTcp((socket) => socket.pipe(socket));
  const to = `127.0.0.1:${server.port}`;
  operatorNetwork(scene.home, { overrides: { "first.test": to, "second.test": to } });
  sandbox = await scene.sandbox({
    ...{ detach: true, ttlSeconds: 1800 },
    network: NetworkPolicy.denyByDefault().allowTcp("first.test", 7000),
  });
});
afterAll(() => server.close());

/** Kills the daemon and starts another by asking it. */
async function killDaemon(): Promise<void> {
  const pid = scene.daemon();
  process.kill(pid, "SIGKILL");
  await until("the daemon is gone", () => scene.daemon() !== pid);
  // A kept connection may still have to find out that its daemon is gone.
  await until("another daemon answers", () => sandbox.status().then(Boolean, () => false));
}

describe("the way out over the end of a daemon", () => {
  it("a detached sandbox keeps its policy of now; what was open is cut, what comes is decided by the next daemon", async () => {
    await sandbox.setNetwork(NetworkPolicy.denyByDefault().allowTcp("second.test", 7000));
    const script = "exec 3<>/dev/tcp/second.test/7000; echo on >&3; cat <&3; echo ended";
    const held = await sandbox.commands.start(["bash", "-c", script]);
    await until("the connection is open", () => server.sockets.size > 0);
    await killDaemon();
    await until("the connection ended with the daemon", () => server.sockets.size === 0);
    expect(sandbox.info.network.allow).toMatchObject([{ host: "second.test" }]);
    // The program was told of the end of its connection, rather than left to wait.
    await until("the program went on", async () => (await text(sandbox, "pgrep -x cat || true")) === "");
    expect(held.pid).toBeGreaterThan(0);
    expect(await text(sandbox, connect("second.test"))).toBe("hello");
    expect((await sh(sandbox, connect("first.test"))).exitCode).not.toBe(0);
  });

  it("so does one that was paused when the daemon was killed", async () => {
    await sandbox.pause();
    await killDaemon();
    await sandbox.resume();
    expect(await text(sandbox, connect("second.test"))).toBe("hello");
  });

  it("and one that was cold or stopped meanwhile", async () => {
    await sandbox.cold();
    await sandbox.resume();
    expect(await text(sandbox, connect("second.test"))).toBe("hello");
    await sandbox.stop();
    await killDaemon();
    await sandbox.start();
    expect(await text(sandbox, connect("second.test"))).toBe("hello");
    expect((await sh(sandbox, connect("first.test"))).exitCode).not.toBe(0);
  });
});
