import { connect, createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { processBackend } from "../fixture/process-backend.js";
import { temporaryHome, testDaemon, type TestDaemon } from "../fixture/daemon.js";
import { killIfSame } from "../../src/processes/identity.js";
import { bindAddress, isLoopback } from "../../src/ports/address.js";

const ports = "/v1/sandboxes/box/ports";
const anyPort = { host_port: 0, guest_port: 80 };

async function daemonWithBox(body: object = {}): Promise<TestDaemon & { id: string }> {
  const made = await testDaemon();
  const lines = await made.api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600, ...body });
  return { ...made, id: lines.at(-1)?.["sandbox"].id as string };
}

/** Whether something accepts connections there. */
function listens(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => (socket.destroy(), resolve(true))).once("error", () => resolve(false));
  });
}

async function untilSilent(port: number): Promise<void> {
  while (await listens(port)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A port of this host that somebody else holds. */
async function takenPort(port = 0): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test("L-01 nothing is forwarded by default, and profile restrictive has no ports", async () => {
  const { api } = await daemonWithBox({ profile: "restrictive" });
  expect((await api.json("GET", ports)).body).toEqual({ ports: [] });
  const { status, body } = await api.json("POST", ports, anyPort);
  expect({ status, rule: body.error.rule, name: body.error.name }).toEqual({
    ...{ status: 403, rule: "profile.restrictive.ports", name: "PolicyDenied" },
  });
});

test("a forward is listed, shown by inspect, and gone once it is removed", async () => {
  const { api } = await daemonWithBox();
  const { body } = await api.json("POST", ports, anyPort);
  expect(body).toEqual({ host_address: "127.0.0.1", host_port: expect.any(Number) as number, guest_port: 80 });
  expect((await api.json("GET", ports)).body).toEqual({ ports: [body] });
  expect((await api.json("GET", "/v1/sandboxes/box")).body.ports).toEqual([body]);
  expect(await listens(body.host_port as number)).toBe(true);
  expect((await api.json("DELETE", `${ports}/${body.host_port}`)).body).toEqual({ removed: true });
  expect(await listens(body.host_port as number)).toBe(false);
  expect((await api.json("DELETE", `${ports}/${body.host_port}`)).body.error.code).toBe("PORT_NOT_FORWARDED");
});

test("L-02 other addresses than loopback are refused unless the profile is permissive", async () => {
  const { api } = await daemonWithBox();
  for (const host_address of ["0.0.0.0", "::", "192.0.2.1", "::ffff:127.0.0.1"]) {
    const { body } = await api.json("POST", ports, { ...anyPort, host_address });
    expect(body.error.rule, host_address).toBe("profile.standard.ports.public");
  }
  const { api: permissive } = await testDaemon();
  const acknowledged = { "x-mvm-ack-permissive": "1" };
  const lease = await permissive.stream("POST", "/v1/sandboxes", { name: "box", profile: "permissive" }, acknowledged);
  await lease.until("created");
  const { body } = await permissive.json("POST", ports, { ...anyPort, host_address: "0.0.0.0" });
  expect(await listens(body.host_port as number)).toBe(true);
  lease.abort();
  await untilSilent(body.host_port as number);
});

test("addresses are taken literally; only 127/8 and ::1 are loopback", () => {
  expect([bindAddress(undefined), bindAddress("localhost"), bindAddress("::1")]).toEqual([
    ...["127.0.0.1", "127.0.0.1", "::1"],
  ]);
  for (const name of ["", "example.com", "127.1", "fe80::1%eth0", "127.0.0.1 "]) {
    expect(() => bindAddress(name), name).toThrow("not an IP address");
  }
  const table = { "127.0.0.1": true, "127.255.0.9": true, "::1": true, "0:0:0:0:0:0:0:1": true };
  for (const address of Object.keys(table)) expect(isLoopback(address), address).toBe(true);
  for (const address of ["0.0.0.0", "128.0.0.1", "::", "::2", "::ffff:127.0.0.1", "1::1"]) {
    expect(isLoopback(address), address).toBe(false);
  }
});

test("L-04 a port that is taken, forwarded twice or out of range is a typed error, and nothing changes", async () => {
  const { api } = await daemonWithBox();
  const taken = await takenPort();
  const error = async (body: object): Promise<string> => {
    const answer = (await api.json("POST", ports, body)).body.error;
    return `${answer.name} ${answer.code}`;
  };
  expect(await error({ host_port: taken, guest_port: 80 })).toBe("InvalidArgumentError PORT_UNAVAILABLE");
  const { body } = await api.json("POST", ports, anyPort);
  expect(await error({ host_port: body.host_port, guest_port: 81 })).toBe("InvalidArgumentError PORT_UNAVAILABLE");
  for (const bad of [{ host_port: 65_536 }, { host_port: -1 }, { host_port: "80" }, { guest_port: 0 }, {}]) {
    expect(await error({ ...anyPort, guest_port: undefined, ...bad })).toBe("InvalidArgumentError INVALID_ARGUMENT");
  }
  expect(await error({ ...anyPort, host_address: "example.com" })).toBe("InvalidArgumentError INVALID_ARGUMENT");
  expect((await api.json("GET", ports)).body.ports).toHaveLength(1);
});

test("L-05 a hundred forwards of any port at once get a hundred ports, and their number is bounded", async () => {
  const { api } = await daemonWithBox();
  const forward = () => api.json("POST", ports, anyPort);
  const answers = await Promise.all(Array.from({ length: 140 }, forward));
  const made = answers.filter(({ status }) => status === 200).map(({ body }) => body.host_port as number);
  expect(new Set(made).size).toBe(128);
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(12);
});

test("L-03 a forward is there while its sandbox runs, and ends with it: stopped, crashed or destroyed", async () => {
  const { api, backend } = await daemonWithBox();
  const end: Record<string, () => Promise<unknown>> = {
    stop: () => api.json("POST", "/v1/sandboxes/box/stop"),
    destroy: () => api.json("DELETE", "/v1/sandboxes/box"),
  };
  const [first] = [(await api.json("POST", ports, anyPort)).body.host_port as number];
  await end["stop"]?.();
  expect(await listens(first)).toBe(false);
  expect((await api.json("POST", ports, anyPort)).body.error).toMatchObject({ state: "stopped" });
  await api.json("POST", "/v1/sandboxes/box/start");
  expect((await api.json("GET", ports)).body).toMatchObject({ ports: [{ host_port: first }] });
  expect(await listens(first)).toBe(true);
  await end["stop"]?.();
  expect((await api.json("DELETE", `${ports}/${first}`)).status).toBe(200);
  await api.json("POST", "/v1/sandboxes/box/start");
  expect((await api.json("GET", ports)).body).toEqual({ ports: [] });
  const second = (await api.json("POST", ports, anyPort)).body.host_port as number;
  await end["destroy"]?.();
  expect(await listens(second)).toBe(false);
  await api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  const third = (await api.json("POST", ports, anyPort)).body.host_port as number;
  killIfSame((backend as ReturnType<typeof processBackend>).started.at(-1)!);
  await untilSilent(third);
  await api.json("DELETE", "/v1/sandboxes/box");
});

test("D-06 the next daemon binds the ports of a detached sandbox again, except one that was taken meanwhile", async () => {
  const home = temporaryHome();
  const backend = processBackend();
  const first = await testDaemon({ home, backend });
  await first.api.lines("POST", "/v1/sandboxes", { name: "box", detach: true, ttl_seconds: 600 });
  const kept = (await first.api.json("POST", ports, anyPort)).body;
  const lost = (await first.api.json("POST", ports, anyPort)).body;
  await first.daemon.close();
  expect([await listens(kept.host_port as number), await listens(lost.host_port as number)]).toEqual([false, false]);
  await takenPort(lost.host_port as number);
  const { api } = await testDaemon({ home, backend });
  expect((await api.json("GET", ports)).body).toEqual({ ports: [kept] });
  expect(await listens(kept.host_port as number)).toBe(true);
  const log = await api.lines("GET", "/v1/sandboxes/box/logs?source=supervisor");
  expect(log.map(({ line }) => line as string).filter((line) => line.includes("port_lost"))).toHaveLength(1);
  await api.json("DELETE", "/v1/sandboxes/box");
  expect(await listens(kept.host_port as number)).toBe(false);
});
