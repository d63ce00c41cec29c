import { connect } from "node:net";
import { type Sandbox, type SandboxMetrics } from "@mvm/sdk";
import { beforeAll, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import { failure, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const MiB = 1024 * 1024;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "measured" });
});

/** The numbers before and after something was done. */
async function around(work: () => Promise<unknown>): Promise<[before: SandboxMetrics, after: SandboxMetrics]> {
  const before = await sandbox.metrics();
  await work();
  return [before, await sandbox.metrics()];
}

it("processor time is what a busy guest used, seen from both sides", async () => {
  const busy = "import time\nwhile time.process_time() < 2: pass";
  const [before, after] = await around(() => sandbox.commands.run(["python3", "-c", busy]));
  // Under emulation on a busy host a guest loses ticks of its clock, and counts what others cost it: roughly is all it knows.
  expect(after.guest!.cpuMs - before.guest!.cpuMs).toBeGreaterThan(300);
  const used = after.host.cpuMs! - before.host.cpuMs!;
  expect(used).toBeGreaterThan(500);
  expect(used).toBeLessThan(60_000);
});

it("memory and disk grow by what is taken, and disk of the template is not the sandbox's", async () => {
  expect((await sandbox.metrics()).host.diskBytes).toBeLessThan(64 * MiB);
  const hold =
    "b = bytearray(150 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('held', flush=True)\ninput()";
  let held: Awaited<ReturnType<typeof sandbox.commands.start>> | undefined;
  const [before, after] = await around(async () => {
    held = await sandbox.commands.start(["python3", "-c", hold], { stdin: "pipe" });
    for await (const event of held) if (event.type === "stdout") break;
  });
  expect(before.guest!.memAvailableBytes - after.guest!.memAvailableBytes).toBeGreaterThan(120 * MiB);
  expect(after.host.rssBytes! - before.host.rssBytes!).toBeGreaterThan(100 * MiB);
  expect(after.commands.running).toBe(before.commands.running + 1);
  await held!.kill();
  await held!.wait();
  const [empty, full] = await around(() => text(sandbox, "head -c 60M /dev/urandom > big; sync"));
  for (const grown of [
    full.host.diskBytes! - empty.host.diskBytes!,
    full.guest!.diskUsedBytes - empty.guest!.diskUsedBytes,
  ]) {
    expect(grown).toBeGreaterThanOrEqual(60 * MiB);
    expect(grown).toBeLessThan(120 * MiB);
  }
});

it("bytes through a forwarded port are counted one by one", async () => {
  const echo =
    "import socketserver as s\nclass H(s.StreamRequestHandler):\n  def handle(self): self.wfile.write(self.rfile.read())";
  await sandbox.commands.start(["python3", "-c", `${echo}\ns.TCPServer(('127.0.0.1', 7), H).serve_forever()`], {
    user: "root",
  });
  await using port = await sandbox.ports.forward({ hostPort: 0, guestPort: 7 });
  const exchange = async (bytes: number): Promise<number> => {
    const socket = connect({ port: port.hostPort, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(Buffer.alloc(bytes));
    let came = 0;
    for await (const chunk of socket) came += (chunk as Buffer).length;
    return came;
  };
  await until("the guest's server answers", async () => (await exchange(1).catch(() => 0)) === 1);
  const [before, after] = await around(() => Promise.all([exchange(100_000), exchange(23_456)]));
  expect(after.network.connectionsTotal - before.network.connectionsTotal).toBe(2);
  expect(after.network.bytesToGuest - before.network.bytesToGuest).toBe(123_456);
  expect(after.network.bytesFromGuest - before.network.bytesFromGuest).toBe(123_456);
  expect(after.network.connectionsOpen).toBe(0);
});

it("commands are counted as they ended, with their bytes and durations, alike for the SDK, the CLI and Prometheus", async () => {
  const [before, after] = await around(async () => {
    await sh(sandbox, "head -c 3000000 /dev/zero");
    await sh(sandbox, "echo problem >&2; exit 9");
    await sh(sandbox, "kill -TERM $$");
    await sandbox.commands.run(["sleep", "60"], { timeoutMs: 300 });
  });
  const more = (of: keyof SandboxMetrics["commands"]["outcomes"]): number =>
    after.commands.outcomes[of] - before.commands.outcomes[of];
  expect([more("ok"), more("failed"), more("signal"), more("timeout")]).toEqual([1, 1, 1, 1]);
  expect(after.commands.stdoutBytes - before.commands.stdoutBytes).toBe(3_000_000);
  expect(after.commands.stderrBytes - before.commands.stderrBytes).toBe(8);
  expect(after.commands.recent.at(-1)).toMatchObject({ outcome: "timeout", exitCode: 124 });
  expect(after.commands.recent.at(-1)!.durationMs).toBeGreaterThan(200);

  const printed = document(await cli(["metrics", "measured", "--json"], { home: scene.home }));
  expect(printed).toMatchObject({ state: "running", commands: { outcomes: { ...after.commands.outcomes } } });
  const all = document(await cli(["metrics", "--json"], { home: scene.home }));
  expect(all).toMatchObject({ sandboxes: [{ name: "measured" }], runtime: { starts: [{ result: "ok" }] } });
  const table = (await cli(["metrics"], { home: scene.home })).stdout.toString();
  expect(table).toMatch(/^measured +running +/m);
  const exposition = await (await scene.api.open("GET", "/metrics")).text();
  expect(exposition).toMatch(
    new RegExp(`mvm_commands_total\\{[^}]*result="timeout"[^}]*\\} ${after.commands.outcomes.timeout}`),
  );
});

it("a machine that died is measured as gone, and its last commands as lost", async () => {
  const doomed = await scene.sandbox();
  const sleeping = await doomed.commands.start(["sleep", "60"]);
  process.kill(scene.machine(doomed)!, "SIGKILL");
  await failure(sleeping.wait());
  await until("it has failed", async () => (await doomed.status()).state === "failed");
  const { host, guest, commands, lastReadyAt } = await doomed.metrics();
  expect({ host, guest }).toMatchObject({
    host: { cpuMs: null, rssBytes: null, pssBytes: null, uptimeMs: 0 },
    guest: null,
  });
  expect(commands.outcomes.lost).toBe(1);
  expect(lastReadyAt).not.toBeNull();
  await doomed.destroy();
});
