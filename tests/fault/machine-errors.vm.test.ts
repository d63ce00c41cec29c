import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkHome, machineProcesses, startDaemon, stopped, type DaemonProcess } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
beforeAll(() => {
  made = makeHome();
});
afterAll(async () => {
  await checkHome(made.home, daemon.api);
  await stopped(daemon);
  made.remove();
});

it("V-05 a QEMU that tells its version and does not live in its cage is a passing error that leaves nothing", async () => {
  // The cage shows a machine the system's directories and nothing of the state root, this script included.
  const qemu = join(made.home, "qemu-outside");
  writeFileSync(qemu, '#!/bin/sh\nexec qemu-system-x86_64 "$@"\n', { mode: 0o755 });
  daemon = await startDaemon(made.home, { MVM_QEMU: qemu });
  const body = { accel: "tcg", detach: true, ttl_seconds: 300 };
  const { error } = (await daemon.api.lines("POST", "/v1/sandboxes", body)).at(-1)!;
  expect(error).toMatchObject({ name: "VmQemuCrashError", code: "VM_CRASHED", retry: "safe", outcome: "not_started" });
  expect(machineProcesses(made.home)).toEqual([]);
});
