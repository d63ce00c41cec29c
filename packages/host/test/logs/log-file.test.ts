import { readdirSync, statSync } from "node:fs";
import { PassThrough } from "node:stream";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../src/logs/log-file.js";
import { lineSplitter } from "../../src/logs/line-splitter.js";
import { SandboxLogs } from "../../src/logs/sandbox-logs.js";
import { sandboxLayout } from "../../src/store/layout.js";
import { temporaryHome } from "../fixture/daemon.js";
import { mkdirSync } from "node:fs";

test("keeps the last lines of a log within two files, across a restart", () => {
  const path = join(temporaryHome(), "console.log");
  const options = { maxBytes: 10_000, bytesPerSecond: Infinity };
  const log = new LogFile(path, options);
  for (let n = 0; n < 2_000; n++) log.append(`line ${n}`);
  log.close();
  const again = new LogFile(path, options);
  again.append("after");
  const lines = again.read().map(({ line }) => line);
  expect(lines.at(-1)).toBe("after");
  expect(lines.at(-2)).toBe("line 1999");
  expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThan(21_000);
});

test("a flood is cut to a rate and counted; a full disk loses lines and nothing else", () => {
  const log = new LogFile(join(temporaryHome(), "console.log"), { bytesPerSecond: 10_000 });
  const now = new Date("2025-01-01T00:00:00Z");
  for (let n = 0; n < 10_000; n++) log.append("x".repeat(100), now);
  expect(log.read().length).toBeLessThan(100);
  expect(log.droppedBytes).toBeGreaterThan(1_000_000);
  const unwritable = new LogFile("/proc/mvm/none");
  unwritable.append("lost");
  expect(unwritable.droppedBytes).toBeGreaterThan(0);
});

test("cuts bytes into lines at any chunk border, and lines without an end into pieces", () => {
  const source = Buffer.from("eins\r\nzwei ä€😀\n\n" + "x".repeat(25) + "\nlast");
  for (let size = 1; size < source.length; size++) {
    const lines: string[] = [];
    const push = lineSplitter(10, (line) => lines.push(line));
    for (let at = 0; at < source.length; at += size) push(source.subarray(at, at + size));
    expect(lines.join("")).toBe("einszwei ä€😀" + "x".repeat(25));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(10);
  }
});

test("256 MiB of console cost neither disk nor much memory", async () => {
  const files = sandboxLayout(temporaryHome(), "sbx");
  mkdirSync(files.directory);
  const logs = new SandboxLogs(files);
  const console = new PassThrough();
  logs.drain(console);
  const before = process.memoryUsage().rss;
  const chunk = Buffer.alloc(1024 * 1024, "flood flood flood\n");
  for (let n = 0; n < 256; n++)
    if (!console.write(chunk)) await new Promise((resolve) => console.once("drain", resolve));
  const sizes = readdirSync(files.directory).map((name) => statSync(join(files.directory, name)).size);
  expect(sizes.reduce((a, b) => a + b)).toBeLessThan(3 * 1024 * 1024);
  expect(logs.guest.droppedBytes).toBeGreaterThan(100 * 1024 * 1024);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
});
