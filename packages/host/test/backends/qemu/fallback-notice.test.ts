import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FallbackNotice } from "../../../src/backends/qemu/fallback-notice.js";

test("emulation is announced once under a state root, and again when its reason is another", async () => {
  const home = mkdtempSync(join(tmpdir(), "mvm-notice-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  const daemon = new FallbackNotice(home);
  const together = await Promise.all(Array.from({ length: 5 }, () => daemon.first("no /dev/kvm")));
  expect(together.filter(Boolean).length).toBe(1);
  const next = new FallbackNotice(home);
  expect(await next.first("no /dev/kvm")).toBe(false);
  expect(await next.first("the guest prints nothing")).toBe(true);
  expect(await next.first("the guest prints nothing")).toBe(false);
});

test("where nothing can be kept it is announced all the same", async () => {
  expect(await new FallbackNotice("/dev/null").first("no /dev/kvm")).toBe(true);
});
