import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connectWhenThere, tryConnect } from "../../../src/backends/qemu/connect.js";

/** A server whose socket has a path longer than a socket's address, as one of a deep state root has. */
async function deepServer(): Promise<string> {
  const directory = join(mkdtempSync(join(tmpdir(), "deep-")), "d".repeat(120));
  mkdirSync(directory);
  const cwd = process.cwd();
  const server = createServer((socket) => socket.end("hello"));
  // As QEMU does: relative to its working directory.
  process.chdir(directory);
  await new Promise<void>((resolve) => server.listen("s.sock", resolve));
  process.chdir(cwd);
  onTestFinished(() => void server.close());
  return join(directory, "s.sock");
}

test("a socket is reached whose path is longer than a socket's address can be, and no descriptor stays", async () => {
  const path = await deepServer();
  const socket = await connectWhenThere(path, 5_000, () => false);
  let said = "";
  for await (const chunk of socket!) said += String(chunk);
  expect(said).toBe("hello");
  const directories = (): string[] => {
    const links = readdirSync("/proc/self/fd").map((fd) => `/proc/self/fd/${fd}`);
    return links.flatMap((link) => (existsSync(link) ? [readlinkSync(link)] : [])).filter((to) => path.startsWith(to));
  };
  expect(directories()).toEqual([]);
});

test("where nobody listens there is no connection, however long the path", async () => {
  const directory = join(mkdtempSync(join(tmpdir(), "deep-")), "d".repeat(120));
  mkdirSync(directory);
  expect(await tryConnect(join(directory, "none.sock"))).toBeUndefined();
});
