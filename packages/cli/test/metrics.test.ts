import { afterEach, expect, test } from "vitest";
import { run } from "./support/cli.js";
import { json, sandboxInfo, StandingDaemon } from "./support/standing-daemon.js";
import { runOnTerminal } from "./support/terminal.js";

let daemon: StandingDaemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});

const numbers = {
  runtime: {
    uptime_ms: 9000,
    rss_bytes: 92 * 1024 ** 2,
    queue_depth: 0,
    starts: [
      { result: "ok", value: 2 },
      { result: "evil\u001b[2J", value: 1 },
    ],
  },
  sandboxes: [],
  commands: { ended: [] },
  builds: { images: [{ result: "hit", value: 1 }], templates: [] },
};

test("metrics prints a line for each scope, and escapes what is in it", async () => {
  daemon = await StandingDaemon.start({ "GET /v1/metrics": json(numbers) });
  const ran = await run(["metrics"], { home: daemon.home });
  expect(ran.stdout.toString().split("\n")).toEqual([
    "daemon: 9s up, 92M of memory, 0 starts waiting",
    "starts: 2 ok, 1 evil\\x1b[2J",
    "commands: none",
    "images: 1 hit; templates: none",
    "",
  ]);
});

test("ls on 80 columns shows names and states whole, and the id of what has no name", async () => {
  const named = [sandboxInfo({ state: "stopped", reason: "idle" }), sandboxInfo({ name: "other", state: "restoring" })];
  const answers = { "GET /v1/sandboxes": json({ sandboxes: named }) };
  daemon = await StandingDaemon.start(answers);
  const { text } = await runOnTerminal(["ls"], { home: daemon.home });
  expect(text).toMatch(/devbox +stopped \(idle\) +python/);
  expect(text).not.toContain("…");
  await daemon.stop();
  daemon = await StandingDaemon.start({
    "GET /v1/sandboxes": json({ sandboxes: [...named, sandboxInfo({ name: null })] }),
  });
  const unnamed = (await runOnTerminal(["ls"], { home: daemon.home })).text;
  expect(unnamed).toMatch(/- +sbx_01jd0000000000000000000000 +running/);
  for (const line of unnamed.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
});
