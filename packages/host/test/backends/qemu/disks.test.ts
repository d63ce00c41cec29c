import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VmOverlayError } from "@mvm/protocol";
import { afterAll, expect, test } from "vitest";
import { createOverlay } from "../../../src/backends/qemu/disks.js";

const directory = mkdtempSync(join(tmpdir(), "mvm-disks-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("an overlay is an empty qcow2", async () => {
  const path = join(directory, "overlay.qcow2");
  await createOverlay(path, 64);
  expect(statSync(path).size).toBeGreaterThan(0);
  expect(statSync(path).size).toBeLessThan(1024 * 1024);
});

test("an overlay that cannot be made is a passing error with what the tool said", async () => {
  const error: unknown = await createOverlay(join(directory, "none", "overlay.qcow2"), 64).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VmOverlayError);
  expect(error).toMatchObject({ code: "VM_OVERLAY_FAILED", transient: true, outcome: "not_started" });
  expect((error as VmOverlayError).stderr).toMatch(/No such file or directory/);
});
