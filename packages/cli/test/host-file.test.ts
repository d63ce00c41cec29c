import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { documentOf, run } from "./support/cli.js";
import { failure, json, StandingDaemon } from "./support/standing-daemon.js";

let daemon: StandingDaemon;
let directory = "";
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mvmctl-"));
  writeFileSync(join(directory, "here.tar"), "archive");
  writeFileSync(join(directory, "large.pub"), "x".repeat(5000));
  daemon = await StandingDaemon.start({
    "GET /v1/snapshots/clean/export": (_, response) =>
      void response.writeHead(200, { "x-mvm-digest": "sha256:abc" }).end("archive"),
    "GET /v1/snapshots/none/export": failure("SnapshotError", "SNAPSHOT_NOT_FOUND", 404),
    "POST /v1/snapshots/import": json({ snapshot: { id: "snap_1", name: "clean" }, digest: "sha256:abc" }),
  });
});
afterAll(() => daemon.stop());

test.each([
  [["snapshot", "import", "nofile"], 'Cannot read "nofile": it is not there'],
  [["snapshot", "import", "."], 'Cannot read ".": it is not a regular file'],
  [["snapshot", "import", "here.tar", "--key", "nokey"], 'Cannot read "nokey": it is not there'],
  [["snapshot", "import", "here.tar", "--key", "large.pub"], 'Cannot use "large.pub" as --key'],
  [["snapshot", "export", "clean", "no/dir/out.tar"], 'Cannot write "no/dir/out.tar": there is no directory "no/dir"'],
  [["snapshot", "export", "clean", "here.tar/x"], 'Cannot write "here.tar/x": "here.tar" is not a directory'],
  [["snapshot", "export", "clean", "."], 'Cannot write ".": it is a directory'],
])("%j is an invalid argument that names the path, and nothing is asked of the daemon", async (argv, message) => {
  const before = daemon.requests.length;
  const ran = await run([...argv, "--json"], { home: daemon.home, cwd: directory });
  expect([ran.code, documentOf(ran).error?.code]).toEqual([64, "INVALID_ARGUMENT"]);
  expect(documentOf(ran).error?.message).toContain(message);
  expect(daemon.requests.length).toBe(before);
});

test("an export that fails leaves no file, and one that is done leaves nothing but it", async () => {
  const { home } = daemon;
  expect((await run(["snapshot", "export", "none", "out.tar"], { home, cwd: directory })).code).toBe(69);
  expect(readdirSync(directory).sort()).toEqual(["here.tar", "large.pub"]);
  const ran = await run(["snapshot", "export", "clean", "out.tar", "--json"], { home, cwd: directory });
  expect(documentOf(ran)).toMatchObject({ snapshot: "clean", file: "out.tar", digest: "sha256:abc", bytes: 7 });
  expect(readFileSync(join(directory, "out.tar"), "utf8")).toBe("archive");
  expect(readdirSync(directory).sort()).toEqual(["here.tar", "large.pub", "out.tar"]);
});

test.skipIf(process.getuid?.() === 0)("a file this user may not read is named as that", async () => {
  const path = join(directory, "closed.tar");
  writeFileSync(path, "archive");
  chmodSync(path, 0);
  const ran = await run(["snapshot", "import", "closed.tar"], { home: daemon.home, cwd: directory });
  expect([ran.code, ran.stderr]).toEqual([64, expect.stringContaining("this user may not")]);
  expect(existsSync(path)).toBe(true);
});
