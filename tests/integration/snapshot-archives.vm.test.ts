import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Loose } from "../support/api.js";
import { flipByte } from "../support/bytes.js";
import { restore, save, shell } from "../support/captures.js";
import { cli, document } from "../support/cli.js";
import { type DaemonProcess, startDaemon, stopped } from "../support/daemon.js";
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
