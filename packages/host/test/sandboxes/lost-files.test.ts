import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { bootId, isAlive } from "../../src/processes/identity.js";
import { testDaemon, type TestDaemon } from "../fixture/daemon.js";

async function lose({ api, home }: TestDaemon, request: object): Promise<{ id: string; gone: () => boolean }> {
  const lease = await api.stream("POST", "/v1/sandboxes", { name: "lost", ...request });
  const { id } = (await lease.until("created"))["sandbox"];
  const directory = join(home, "sandboxes", id);
  const { identity } = JSON.parse(readFileSync(join(directory, "state.json"), "utf8"));
  rmSync(directory, { recursive: true });
  return { id, gone: () => !isAlive({ ...identity, bootId: bootId() }) };
}

test.each([
  ["POST", "pause"],
  ["POST", "detach"],
  ["POST", "stop"],
  ["POST", "snapshots"],
  ["PUT", "ttl"],
])(
  "D-07 %s %s of a sandbox whose directory was deleted says so in one way, and its machine is ended",
  async (method, call) => {
    const given = await testDaemon();
    const { id, gone } = await lose(given, {});
    const { status, body } = await given.api.json(method, `/v1/sandboxes/lost/${call}`, {
      ...(call === "ttl" ? { ttl_seconds: 60 } : {}),
      ...(call === "detach" ? { ttl_seconds: 60 } : {}),
    });
    expect({ status, code: body.error.code }).toEqual({ status: 409, code: "SANDBOX_UNAVAILABLE" });
    expect(body.error.message).toContain("(its directory was removed from the state root)");
    expect(gone()).toBe(true);
    expect((await given.api.json("GET", "/v1/sandboxes")).body.sandboxes).toEqual([]);
    expect((await given.api.json("GET", `/v1/sandboxes/${id}`)).body).toMatchObject({
      state: "destroyed",
      reason: "crashed",
    });
  },
);

test("D-07 a detached sandbox whose directory was deleted is ended although nobody calls, and its name is free", async () => {
  const given = await testDaemon();
  const { gone } = await lose(given, { detach: true, ttl_seconds: 600 });
  // The process is gone before its sandbox has ended: the name is free once the end is recorded.
  while ((await given.api.json("GET", "/v1/sandboxes")).body.sandboxes.length > 0) await sleep(50);
  expect(gone()).toBe(true);
  const again = await given.api.stream("POST", "/v1/sandboxes", { name: "lost" });
  expect((await again.until("created"))["sandbox"].state).toBe("running");
});
