import { createServer, type AddressInfo } from "node:net";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkPolicyDocument, NetworkRule } from "@mvm/protocol";
import { expect, onTestFinished, test } from "vitest";
import { hostCeilings } from "../../src/admission/ceilings.js";
import { planOf } from "../../src/admission/plan.js";
import { createLog } from "../../src/observe/log.js";
import { PolicyStore } from "../../src/policy/policy-store.js";
import { Enforcement } from "../../src/sandboxes/enforce.js";
import type { Sandbox } from "../../src/sandboxes/sandbox.js";
import type { Services } from "../../src/sandboxes/services.js";
import { scene, settles, type Scene } from "../egress/gateway-guest.js";
import { testDaemon } from "../fixture/daemon.js";

const rule = (host: string, port = 7): NetworkRule => ({ host, port, protocol: "tcp" });
const forbid = (when: string): string => `@id("ops.cut") forbid (principal, action, resource) when { ${when} };`;

/** A sandbox with a real way out, and files of an operator that decide about it. */
async function connected(network: NetworkPolicyDocument) {
  const server = createServer((socket) => void socket.pipe(socket).on("error", () => undefined)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => void server.close());
  const to = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const overrides = { "a.test": to, "b.test": to };
  const guest: Scene = await scene(network, { overrides });
  const log = createLog({ write: () => undefined });
  const directory = join(guest.home, "policy");
  const policy = new PolicyStore({ directories: [directory], host: hostCeilings({ cpus: 2, memoryMb: 8192 }), log });
  const plan = planOf({ profile: "standard", network }, "sha256:0");
  const events: string[] = [];
  const sandbox = { id: "sbx_1", plan, network, live: { egress: guest.egress }, ports: { list: () => [] } };
  Object.assign(sandbox, { logs: { event: (name: string) => void events.push(name) } });
  const registry = { list: () => [sandbox as unknown as Sandbox] };
  const enforcement = new Enforcement({ registry, policy, egress: guest.host, log } as unknown as Services);
  onTestFinished(() => enforcement.close());
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text, { mode: 0o600 });
  const remove = (name: string): void => rmSync(join(directory, name));
  return { ...guest, enforcement, events, write, remove, overrides };
}

test("N-15 a change of the operator's policy cuts what it does not allow any more, and nothing else, without being asked", async () => {
  const network: NetworkPolicyDocument = { default: "deny", allow: [rule("a.test"), rule("b.test")] };
  const { knock, told, decisions, write, remove } = await connected(network);
  const [a, b] = [knock("a.test", 7), knock("b.test", 7)];
  for (const program of [a, b]) program.send("x");
  await settles(() => [a, b].map(({ received }) => received.length), [1, 1]);
  write("a.cedar", forbid('context has host && context.host == "a.test"'));
  await settles(() => a.ended, "reset");
  expect(decisions.at(-1)).toMatchObject({ decision: "ended", host: "a.test", cut: "policy_changed" });
  await settles(told, [{ host: "b.test", port: 7 }]);
  const refused = knock("a.test", 7);
  await settles(() => refused.ended, "reset");
  b.send("y");
  await settles(() => Buffer.concat(b.received).toString(), "xy");
  // What is given back counts for what comes.
  remove("a.cedar");
  await settles(told, [
    { host: "a.test", port: 7 },
    { host: "b.test", port: 7 },
  ]);
  const again = knock("a.test", 7);
  again.send("z");
  await settles(() => Buffer.concat(again.received).toString(), "z");
});

test("N-15 a broken policy file cuts every connection, and so does an override that is taken back or cannot be read", async () => {
  const { knock, write, remove, overrides, told } = await connected({ default: "deny", allow: [rule("a.test")] });
  const open = async (): Promise<ReturnType<typeof knock>> => {
    await settles(told, [{ host: "a.test", port: 7 }]);
    const program = knock("a.test", 7);
    program.send("x");
    await settles(() => program.received.length, 1);
    return program;
  };
  const first = await open();
  write("broken.cedar", "garbage");
  await settles(() => first.ended, "reset");
  await settles(told, []);
  remove("broken.cedar");
  const second = await open();
  write("network.json", JSON.stringify({ overrides: { "b.test": overrides["b.test"] } }));
  await settles(() => second.ended, "reset");
  write("network.json", JSON.stringify({ overrides }));
  const third = await open();
  write("network.json", "{");
  await settles(() => third.ended, "reset");
});

test("L-02 a forwarded port that policy does not allow any more is closed; ports of others stay", async () => {
  const { home, api } = await testDaemon();
  const ports: number[] = [];
  for (const name of ["one", "two"]) {
    await api.lines("POST", "/v1/sandboxes", { name, detach: true, ttl_seconds: 600, tags: { team: name } });
    const { body } = await api.json("POST", `/v1/sandboxes/${name}/ports`, { host_port: 0, guest_port: 80 });
    ports.push(body.host_port as number);
  }
  mkdirSync(join(home, "policy"));
  const rule = 'resource.hasTag("team") && resource.getTag("team") == "one"';
  writeFileSync(join(home, "policy/a.cedar"), `@id("ops.one") forbid (principal, action, resource) when { ${rule} };`);
  const listed = async (name: string): Promise<unknown> =>
    ((await api.json("GET", `/v1/sandboxes/${name}/ports`)).body.ports as { host_port: number }[]).map(
      ({ host_port }) => host_port,
    );
  await expect.poll(() => listed("one"), { timeout: 15_000 }).toEqual([]);
  expect(await listed("two")).toEqual([ports[1]]);
  expect((await api.json("GET", "/v1/sandboxes/one")).body.state).toBe("running");
});
