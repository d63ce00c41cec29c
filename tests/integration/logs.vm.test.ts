import { statSync } from "node:fs";
import { join } from "node:path";
import type { LogLine } from "@mvm/protocol";
import type { LogOptions, Sandbox } from "@mvm/sdk";
import { beforeAll, expect, it } from "vitest";
import { cli, startCli } from "../support/cli.js";
import { root, text, until, useScene } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "logged" });
});

const print = (line: string): Promise<string> => text(sandbox, `echo '${line}' > /dev/console`, root);
async function lines(options?: LogOptions): Promise<LogLine[]> {
  const all: LogLine[] = [];
  for await (const line of sandbox.logs(options)) all.push(line);
  return all;
}

it("tells the guest's console from the daemon's account, and takes only what was asked for", async () => {
  await print("first of the console");
  await until("it is in the log", async () => (await lines()).some(({ line }) => line === "first of the console"));
  const guest = await lines({ source: "guest" });
  const supervisor = await lines({ source: "supervisor" });
  expect(guest.every(({ source }) => source === "guest")).toBe(true);
  expect(guest.map(({ line }) => line)).toContain("first of the console");
  expect(supervisor.map(({ line }) => line).join("\n")).toContain('{"event":"state","from":"creating","to":"running"');
  expect(await lines()).toHaveLength(guest.length + supervisor.length);
  const after = new Date();
  await print("second of the console");
  await until("it is in the log", async () => (await lines({ since: after })).length > 0);
  expect((await lines({ since: after, source: "guest" })).map(({ line }) => line)).toEqual(["second of the console"]);
});

it("follows until its reader leaves or the sandbox ends", async () => {
  const doomed = await scene.sandbox({ name: "doomed" });
  const followed: LogLine[] = [];
  const following = (async () => {
    for await (const line of doomed.logs({ follow: true })) followed.push(line);
  })();
  const child = startCli(["logs", "doomed", "-f", "--json"], { home: scene.home });
  let out = "";
  child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  await until("both follow", () => followed.length > 0 && out !== "");
  await text(doomed, "echo while it runs > /dev/console", root);
  await until(
    "both have it",
    () => out.includes("while it runs") && followed.some(({ line }) => /while it/.test(line)),
  );
  await doomed.destroy();
  await following;
  await until("the CLI has ended as well", () => child.exitCode !== null);
  expect(child.exitCode).toBe(0);
  expect(followed.at(-1)!.line).toContain('"to":"destroyed"');
});

it("O-05 O-07 a console that floods, without an end of line too, is bounded on disk and in its lines", async () => {
  // More than is kept. How much of it is dropped for its speed depends on the host's.
  const flood = "head -c 1200K /dev/zero | tr '\\0' x > /dev/console; yes flood | head -c 1200K > /dev/console";
  await sandbox.commands.run(["sh", "-c", flood], root);
  const sizes = ["console.log", "console.log.1"].map((name) => {
    const path = join(scene.directory(sandbox), name);
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  });
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2.5 * 1024 * 1024);
  const longest = Math.max(...(await lines()).map(({ line }) => line.length));
  expect(longest).toBeLessThanOrEqual(64 * 1024);
  const shown = await cli(["logs", "logged", "--source", "supervisor"], { home: scene.home });
  expect(shown.stdout.toString()).toMatch(/^\S+ supervisor: \{"event":"state"/m);
});
