import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openImageStore } from "@mvm/images";
import { makeHome } from "../../../../../tests/support/home.js";
import { createQemuBackend } from "../../../src/backends/qemu/index.js";
import { bootFilesOf } from "../../../src/daemon/boot-files.js";
import { isAlive } from "../../../src/processes/identity.js";
import type { MachineIdentity } from "../../../src/backends/backend.js";

let made: ReturnType<typeof makeHome>;
beforeAll(() => {
  made = makeHome();
});
afterAll(() => made.remove());

it("Q-07 a client that goes while QEMU is being started for a template does not wait for the guest, and leaves nothing", async () => {
  const { home } = made;
  const image = await openImageStore(home).verify("python");
  const gone = new AbortController();
  const why = new Error("the client has gone");
  let spawned: MachineIdentity | undefined;
  const removed: MachineIdentity[] = [];
  const backend = createQemuBackend({
    home,
    bootFiles: bootFilesOf(home),
    // It would boot to here, and then wait for longer than this test.
    warmUp: () => [["sleep", "1000"]],
    guard: {
      add(identity) {
        spawned = identity;
        gone.abort(why);
      },
      remove: (identity) => void removed.push(identity),
    },
  });
  const directory = join(home, "sandboxes", "sbx_00000000000000000000000000");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const phases: string[] = [];
  const started = backend.start(
    {
      ...{ sandboxId: "sbx_00000000000000000000000000", directory, accel: "tcg" },
      ...{ cpus: 1, memoryMb: 320, diskMb: 512 },
      image: { name: image.record.name, digest: image.record.digest, path: image.path },
    },
    { signal: gone.signal, onProgress: ({ detail }) => void phases.push(String(detail)) },
  );
  await expect(started).rejects.toBe(why);
  expect(phases).not.toContain("warming up");
  expect(spawned && isAlive(spawned)).toBe(false);
  expect(removed).toEqual([spawned]);
  expect(readdirSync(join(home, "templates")).filter((name) => name.startsWith(".making"))).toEqual([]);
});
