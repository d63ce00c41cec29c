import type { FileChange, FileWatch, Sandbox } from "@mvm/sdk";
import { beforeAll, expect, it } from "vitest";
import { startCli } from "../support/cli.js";
import { growthMb, root, text, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "watched" });
});

/** A change in one line, its path relative to the watched directory. */
function line(change: FileChange, base: string): string {
  const short = (path: string): string => path.replace(`/home/user/${base}/`, "");
  if (change.type === "overflow") return "overflow";
  const path = short(change.path) + (change.directory ? "/" : "");
  return change.type === "renamed" ? `renamed ${short(change.from)} -> ${path}` : `${change.type} ${path}`;
}

/** Everything up to and without the change of a file called `end`. */
async function untilEnd(watch: FileWatch, base: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const change of watch) {
    const told = line(change, base);
    if (told === "created end") return lines;
    lines.push(told);
  }
  throw new Error(`the watch ended after ${lines.join(", ")}`);
}

async function changes(base: string, script: string, recursive = false): Promise<string[]> {
  const watch = sandbox.files.watch(base, { recursive });
  await watch.ready;
  await text(sandbox, `cd ${base}; ${script}; touch end`);
  return await untilEnd(watch, base);
}

it("tells what is created, modified, renamed and removed in a directory, in order, and nothing of what is below", async () => {
  await text(sandbox, "mkdir -p flat/below");
  const script =
    "echo one > a; mv a b; chmod 600 b; touch below/hidden; mkdir d; rm b; rmdir d; mv below ../gone; mv ../gone back";
  expect(await changes("flat", script)).toEqual([
    ...["created a", "modified a", "renamed a -> b", "modified b", "created d/", "removed b", "removed d/"],
    ...["removed below/", "created back/"],
  ]);
});

it("a file written through the API is one change, without its unfinished parts", async () => {
  await sandbox.files.mkdir("api");
  const watch = sandbox.files.watch("api");
  await watch.ready;
  await sandbox.files.write("api/new", "one");
  await sandbox.files.write("api/new", "two");
  await sandbox.files.rename("api/new", "api/newer");
  await sandbox.files.remove("api/newer");
  await sandbox.files.write("api/end", "");
  expect(await untilEnd(watch, "api")).toEqual([
    ...["created new", "modified new", "renamed new -> newer", "removed newer"],
  ]);
});

it("follows a tree: directories that come, are renamed, and go", async () => {
  await text(sandbox, "rm -rf left; mkdir -p tree/a/b tree/z; ln -sfn /etc tree/link");
  // In one process: the agent sees both at once.
  const leave = `python3 -c 'import os; os.rename("z", "../left"); open("../left/unseen", "w")'`;
  const lines = await changes(
    "tree",
    `touch a/b/x; mkdir -p new/deep/deeper; touch new/deep/deeper/file; sleep 1; mv a c; touch c/b/y; ${leave}; rm -r c; mkdir link/mvm 2>/dev/null`,
    true,
  );
  expect(lines).toContain("created a/b/x");
  for (const name of ["new/", "new/deep/", "new/deep/deeper/", "new/deep/deeper/file"]) {
    expect(lines).toContain(`created ${name}`);
  }
  expect(lines).toContain("renamed a -> c/");
  expect(lines).toContain("created c/b/y");
  expect(lines).toContain("removed z/");
  for (const name of ["c/b/y", "c/b/x", "c/b/", "c/"]) expect(lines).toContain(`removed ${name}`);
  expect(lines.filter((told) => /unseen|link|etc/.test(told))).toEqual([]);
});

it("watches a single file, and ends when what it watches is gone", async () => {
  await sandbox.files.write("alone", "1");
  const watch = sandbox.files.watch("alone");
  await watch.ready;
  await text(sandbox, "echo 2 >> alone; rm alone");
  const told: string[] = [];
  for await (const change of watch) told.push(change.type);
  expect(told[0]).toBe("modified");
  expect(told.at(-1)).toBe("removed");
});

it("F-02 F-03 F-06 has the path rules of every file call", async () => {
  await text(sandbox, "mkfifo pipe; ln -sf loop loop");
  const verdictOf = (path: string) => verdict(async () => sandbox.files.watch(path).ready);
  expect(await verdictOf("/proc/self")).toBe("PolicyDenied FILE_DENIED");
  expect(await verdictOf("/sys")).toBe("PolicyDenied FILE_DENIED");
  expect(await verdictOf("../x")).toBe("InvalidArgumentError INVALID_ARGUMENT");
  expect(await verdictOf("missing")).toBe("GuestAgentError FILE_NOT_FOUND");
  expect(await verdictOf("pipe")).toBe("GuestAgentError FILE_SPECIAL");
  expect(await verdictOf("loop")).toBe("PolicyDenied FILE_DENIED");
});

it("R-05 is bounded: a reader that stops costs it changes, which is told, and nobody else anything", async () => {
  await text(sandbox, "mkdir -p flood; echo 64 > /proc/sys/fs/inotify/max_queued_events", root);
  const watch = sandbox.files.watch("flood");
  await watch.ready;
  // Eight thousand lines of 600 bytes: more than waits anywhere on the way.
  const flood = `
import os
a, b = "flood/" + "a" * 250, "flood/" + "b" * 250
open(a, "w").close()
for i in range(8000): os.rename(*((a, b) if i % 2 == 0 else (b, a)))`;
  const growth = await growthMb(scene.daemon(), () => sandbox.commands.run(["python3", "-c", flood], root));
  console.log(`a watch nobody reads: the daemon grew by ${growth.toFixed(0)} MiB`);
  expect(growth).toBeLessThan(64);
  let seen = 0;
  for await (const change of watch) {
    seen += 1;
    if (change.type === "overflow") break;
  }
  expect(seen).toBeGreaterThan(100);
  expect(await text(sandbox, "echo alive")).toBe("alive");
});

it("leaves nothing in the guest when it is closed, broken off or its client is gone", async () => {
  const held = async (): Promise<number> =>
    Number(await text(sandbox, "ls -l /proc/1/fd | grep -c inotify || true", root));
  await until("earlier watches are gone", async () => (await held()) === 0);
  const watches = Array.from({ length: 20 }, () => sandbox.files.watch("flat", { recursive: true }));
  await Promise.all(watches.map(({ ready }) => ready));
  expect(await held()).toBe(20);
  for (const watch of watches) watch.close();
  await until("the guest has let go of them", async () => (await held()) === 0);
});

it("is a stream of lines on the command line", async () => {
  await text(sandbox, "mkdir -p cli");
  const child = startCli(["fs", "watch", "watched", "cli", "--json"], { home: scene.home });
  let out = "";
  child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  await until("it is under way", () => out.includes('{"event":"watching"}\n'));
  await sandbox.files.write("cli/a b", "");
  await until("the change is told", () => out.includes('"path":"/home/user/cli/a b"'));
  child.kill("SIGINT");
  await until("it has ended", () => child.exitCode !== null);
  expect(child.exitCode).toBe(130);
});
