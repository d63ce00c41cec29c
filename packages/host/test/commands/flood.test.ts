import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { temporaryHome } from "../fixture/daemon.js";
import { serving, spawnDaemon } from "../fixture/daemon-process.js";

test("a gigabyte of output grows the daemon by less than 32 MB", { timeout: 120_000 }, async () => {
  const daemon = await spawnDaemon(temporaryHome());
  const { pid } = (await serving(daemon))!;
  const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
  const peak = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
  const lease = await daemon.api.stream("POST", "/v1/sandboxes", { name: "a" });
  await lease.until("created");
  const flood = (bytes: number) =>
    daemon.api.lines("POST", "/v1/sandboxes/a/processes", { shell: `head -c ${bytes} /dev/zero` });
  await flood(1_000_000);
  const before = rss();
  const lines = await flood(1_073_741_824);
  expect(lines.at(-1)?.["result"]).toMatchObject({ stdout_bytes: 1_073_741_824, stdout_truncated: true });
  expect(peak() - before).toBeLessThan(32);
});
