import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { testDaemon } from "../fixture/daemon.js";
import { processBackend } from "../fixture/process-backend.js";

const left = (home: string) => {
  const path = join(home, "snapshots");
  return existsSync(path) ? readdirSync(path).filter((name) => name !== "ledger.json") : [];
};

test("a guest that cannot flush its disk is not saved, says so, and goes on", async () => {
  const { api, home } = await testDaemon();
  await api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  for (const verb of ["snapshots", "fork", "cold"]) {
    const answer = await api.lines("POST", `/v1/sandboxes/kept/${verb}`, verb === "cold" ? undefined : {});
    expect(answer.at(-1)?.["error"], verb).toMatchObject({ code: "SNAPSHOT_FAILED", outcome: "not_started" });
    expect(answer.at(-1)?.["error"].message).toContain("its guest does not flush its disk");
    const lines = await api.lines("POST", "/v1/sandboxes/kept/processes", { argv: ["echo", "alive"] });
    expect(lines.at(-1)?.["result"].stdout).toBe("alive\n");
  }
  expect(left(home)).toEqual([]);
  const [id] = readdirSync(join(home, "sandboxes"));
  expect(readdirSync(join(home, "sandboxes", id!)).filter((name) => name.startsWith("cold"))).toEqual([]);
});

test("a guest that answers nothing holds a save up for a while only, and is served again when it answers", async () => {
  const backend = processBackend({ accel: "kvm" });
  const { api, home } = await testDaemon({ backend });
  await api.lines("POST", "/v1/sandboxes", { name: "kept", detach: true, ttl_seconds: 600 });
  const { pid } = backend.started[0]!;
  process.kill(pid, "SIGSTOP");
  try {
    const answer = await api.lines("POST", "/v1/sandboxes/kept/snapshots", {});
    expect(answer.at(-1)?.["error"]).toMatchObject({ code: "SNAPSHOT_FAILED", outcome: "not_started" });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const lines = await api.lines("POST", "/v1/sandboxes/kept/processes", { argv: ["echo", "alive"] });
  expect(lines.at(-1)?.["result"].stdout).toBe("alive\n");
  expect(left(home)).toEqual([]);
  expect((await api.json("DELETE", "/v1/sandboxes/kept")).body.destroyed).toBe(true);
}, 90_000);
