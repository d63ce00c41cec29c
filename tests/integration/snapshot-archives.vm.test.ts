import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Template } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Loose } from "../support/api.js";
import { flipByte } from "../support/bytes.js";
import { restore, save, shell } from "../support/captures.js";
import { cli, document } from "../support/cli.js";
import { type DaemonProcess, eventually, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

/** Two state roots stand for two hosts: they share neither keys nor snapshots. */
let made: ReturnType<typeof makeHome>[];
let daemons: DaemonProcess[];
beforeAll(async () => {
  made = [makeHome(), makeHome()];
  daemons = await Promise.all(made.map(({ home }) => startDaemon(home)));
});
afterAll(async () => {
  await Promise.all(daemons.map(stopped));
  for (const { remove } of made) remove();
});

it("X-13 a snapshot that was exported goes on elsewhere, where the exporting host's key is trusted", async () => {
  const [here, there] = daemons.map(({ api }) => api);
  const [from, to] = made.map(({ home }) => home);
  const archive = join(from!, "moved.tar");
  const { info, lease } = await here!.create({ env: { GREETING: "hello" } });
  await shell(here!, info.id, "echo in memory > /dev/shm/memory; echo on disk > ~/disk");
  await save(here!, info.id, "moved");
  lease.abort();

  const written = await cli(["--json", "snapshot", "export", "moved", archive], { home: from! });
  expect(written.code, written.stderr).toBe(0);
  const { digest } = document(written);
  expect(statSync(archive).mode & 0o777).toBe(0o600);
  // 512 MiB of memory, most of it never touched.
  expect(statSync(archive).size).toBeLessThan(200 * 1024 * 1024);

  const stranger = await cli(["--json", "snapshot", "import", archive], { home: to! });
  expect((document(stranger) as Loose).error).toMatchObject({ code: "SNAPSHOT_MISMATCH", outcome: "not_started" });
  const key = join(from!, "keys", "snapshot-export.key.pub");
  flipByte(archive, 600);
  const damaged = await cli(["--json", "snapshot", "import", archive, "--key", key], { home: to! });
  expect((document(damaged) as Loose).error.code).toBe("SNAPSHOT_MISMATCH");
  flipByte(archive, 600);
  const imported = await cli(["--json", "snapshot", "import", archive, "--key", key, "--name", "arrived"], {
    home: to!,
  });
  expect(imported.code, imported.stderr).toBe(0);
  expect(document(imported)).toMatchObject({ digest, snapshot: { name: "arrived", epoch: 1 } });

  const arrived = await restore(there!, "arrived");
  expect(await shell(there!, arrived.info.id, "cat /dev/shm/memory ~/disk; echo $GREETING")).toBe(
    "in memory\non disk\nhello",
  );
  arrived.lease.abort();

  const missing = await cli(["snapshot", "export", "nobody", join(from!, "nobody.tar")], { home: from! });
  expect(missing.code).not.toBe(0);
  expect(existsSync(join(from!, "nobody.tar"))).toBe(false);
});

it("X-13 a template that was exported is what sandboxes start from elsewhere: nothing boots there", async () => {
  const [here, there] = daemons.map(({ api }) => api);
  const [from, to] = made.map(({ home }) => home);
  const archive = join(from!, "template.tar");
  const key = join(from!, "keys", "snapshot-export.key.pub");
  rmSync(join(to!, "templates"), { recursive: true });
  const { info, lease } = await here!.create();
  const own = (await here!.json("GET", `/v1/sandboxes/${info.id}/boot-report`)).body.template as string;
  lease.abort();

  const written = await cli(["--json", "snapshot", "export", "--template", own, archive], { home: from! });
  expect(written.code, written.stderr).toBe(0);
  expect(document(written)).toMatchObject({ template: own, file: archive });
  expect(statSync(archive).mode & 0o777).toBe(0o600);
  const stranger = await cli(["--json", "snapshot", "import", "--template", archive], { home: to! });
  expect((document(stranger) as Loose).error).toMatchObject({ code: "SNAPSHOT_MISMATCH", outcome: "not_started" });
  const imported = await cli(["--json", "snapshot", "import", "--template", archive, "--key", key], { home: to! });
  expect(imported.code, imported.stderr).toBe(0);
  const { template, digest } = document(imported) as Loose;
  const again = join(to!, "again.tar");
  expect(await Template.export(own, again, { home: to! }), "the same there, for the SDK").toBe(digest);
  const back = await Template.import(again, { home: to! });
  expect(back.info).toEqual(template);
  expect([template.key, digest]).toEqual([own, document(written)["digest"]]);
  const { ino } = statSync(join(to!, "templates", own, "ram"));

  const shape = { cpu: template.cpu, memory_mb: template.memory_mb, disk_mb: template.disk_mb, accel: template.accel };
  const lines = await there!.lines("POST", "/v1/sandboxes", {
    image: template.image.digest,
    ...shape,
    detach: true,
    ttl_seconds: 600,
  });
  const created = lines.at(-1) as Loose;
  expect(created, JSON.stringify(created)).toMatchObject({ event: "created", timings: { start: "template" } });
  expect(
    lines.filter(({ phase }) => phase === "template"),
    "none is made",
  ).toEqual([]);
  expect(await shell(there!, created.sandbox.id, "python3 -c 'print(6*7)'; id -un")).toBe("42\nuser");
  await there!.json("DELETE", `/v1/sandboxes/${created.sandbox.id}`);
  expect(readdirSync(join(to!, "templates"))).toEqual([own]);
  expect(statSync(join(to!, "templates", own, "ram")).ino, "nor made anew").toBe(ino);
});

it("X-13 a daemon that is killed in the middle of an import leaves nothing of it, and what was there is used", async () => {
  const [from, to] = made.map(({ home }) => home);
  const archive = readFileSync(join(from!, "template.tar"));
  const key = readFileSync(join(from!, "keys", "snapshot-export.key.pub"), "utf8");
  const templates = join(to!, "templates");
  const before = readdirSync(templates);
  const { socketPath } = daemons[1]!.api;
  const path = `/v1/templates/import?key=${encodeURIComponent(key)}`;
  const headers = { "content-type": "application/x-tar", "content-length": archive.length };
  const sending = request({ socketPath, agent: false, method: "POST", path, headers });
  const broken = new Promise((resolve) => sending.once("error", resolve).once("response", resolve));
  sending.write(archive.subarray(0, archive.length / 2));
  await eventually("it is being written", () => readdirSync(templates).some((name) => name.startsWith(".making-")));
  await daemons[1]!.kill();
  await broken;
  expect(readdirSync(templates).length, "its half is there").toBeGreaterThan(before.length);
  daemons[1] = await startDaemon(to!);
  await eventually("it is swept", () => readdirSync(templates).join() === before.join());
  const { info, lease } = await daemons[1].api.create();
  expect(await shell(daemons[1].api, info.id, "echo runs")).toBe("runs");
  lease.abort();
  expect(readdirSync(templates)).toEqual(before);
});
