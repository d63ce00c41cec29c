import { createHash, randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { failure, sh, text, until, useScene } from "../support/scene.js";

const scene = useScene();
const base = realpathSync(mkdtempSync(join(tmpdir(), "shares-")));
const [source, output] = [join(base, "source"), join(base, "output")];
let sandbox: Sandbox;

beforeAll(async () => {
  for (const directory of [source, output]) mkdirSync(directory);
  writeFileSync(join(source, "main.py"), "print(open('/work/source/data.txt').read(), end='')\n");
  writeFileSync(join(source, "data.txt"), "from the host\n");
  symlinkSync("/etc/hostname", join(source, "away"));
  const mounts = [
    { host: source, guest: "/work/source" },
    { host: output, guest: "/work/output", mode: "rw" as const },
  ];
  sandbox = await scene.sandbox({ image: "python", profile: "dev", mounts, detach: true, ttlSeconds: 900 });
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

it("programs read what the host has, see what changes there at once, and link to the guest's own files", async () => {
  expect(await text(sandbox, "python3 /work/source/main.py")).toBe("from the host");
  writeFileSync(join(source, "data.txt"), "changed on the host\n");
  expect(await text(sandbox, "cd /work/source && python3 main.py && ls")).toBe(
    "changed on the host\naway\ndata.txt\nmain.py",
  );
  expect(await text(sandbox, "cat /work/source/away; hostname")).toMatch(/^(.+)\n\1$/);
});

it("H-11 root in the guest cannot write where the host said read-only, not even after mounting it anew", async () => {
  const attempts =
    "touch /work/source/x; mount -o remount,rw /work/source; echo 2 > /work/source/data.txt; rm /work/source/main.py; true";
  await sandbox.commands.run(["sh", "-c", attempts], { user: "root" });
  expect(readdirSync(source).sort()).toEqual(["away", "data.txt", "main.py"]);
  expect(readFileSync(join(source, "data.txt"), "utf8")).toBe("changed on the host\n");
});

it("git, tar and appending work in a writable one; what is made there belongs to its owner and ends with nothing but it", async () => {
  const script = `set -e; cd /work/output; git init -q r; cd r; git config user.name a; git config user.email a@b
    for n in 1 2 3; do echo $n >> f; git add f; git commit -qm $n; done; git gc -q; git fsck --strict 2>&1; git log --oneline | wc -l
    tar cf ../t.tar .; mkdir ../x; tar xf ../t.tar -C ../x; diff -r . ../x && echo same; ln -s f l; mv l m; cat m | tail -1`;
  expect(await text(sandbox, script)).toBe("3\nsame\n3");
  expect(readFileSync(join(output, "r/f"), "utf8")).toBe("1\n2\n3\n");
  expect(statSync(join(output, "r/f")).uid).toBe(statSync(output).uid);
  expect(statSync(join(output, "r/f")).mode & 0o777).toBe(0o644);
});

it("20 MiB go both ways unchanged, and a thousand files are made, listed and removed", async () => {
  const content = randomBytes(20 * 1024 * 1024);
  writeFileSync(join(output, "big"), content);
  const digest = createHash("sha256").update(content).digest("hex");
  expect(await text(sandbox, "cd /work/output; cp big back; sha256sum < back")).toBe(`${digest}  -`);
  expect(
    createHash("sha256")
      .update(readFileSync(join(output, "back")))
      .digest("hex"),
  ).toBe(digest);
  const many =
    "cd /work/output; mkdir many; cd many; seq 1000 | xargs touch; ls | wc -l; cd ..; rm -r many; ls -d many 2>&1 | wc -l";
  expect(await text(sandbox, many)).toBe("1000\n1");
});

it("file calls do not go through the guest to the host's own files, and say so", async () => {
  const refused = await failure(sandbox.files.write("/work/output/from-sdk", "hello"));
  expect(refused.message).toContain("in a directory that the host shares: use it on the host");
  expect(readdirSync(output)).not.toContain("from-sdk");
});

it("a fork and a snapshot do not have the host's directories", async () => {
  const [fork] = await sandbox.fork({ count: 1 });
  try {
    expect(await text(fork!, "ls /work/output | wc -l; grep -c mvm-share /proc/mounts; true")).toBe("0\n0");
  } finally {
    await fork!.destroy();
  }
});

it("a sandbox that was cold, and one whose daemon was killed, has its directories again", async () => {
  await sandbox.cold();
  await sandbox.resume();
  expect(await text(sandbox, "cat /work/source/data.txt")).toBe("changed on the host");
  process.kill(scene.daemon(), "SIGKILL");
  const again = await Sandbox.connect(sandbox.id, { home: scene.home });
  expect(await text(again, "cat /work/source/data.txt; echo ok > /work/output/after")).toBe("changed on the host");
  expect(readFileSync(join(output, "after"), "utf8")).toBe("ok\n");
});

it("the command line shares a directory, and says what it cannot share", async () => {
  const run = async (...args: string[]) => await cli(["run", "--profile", "dev", ...args], { home: scene.home });
  const { stdout } = await run("--add-dir", `${output}:/work:rw`, "--cwd", "/work", "--", "sh", "-c", "pwd; cat after");
  expect(stdout.toString()).toBe("/work\nok\n");
  const denied = await run("--add-dir", `${scene.home}:/work`, "--", "true");
  expect(denied).toMatchObject({ code: 77, stderr: expect.stringContaining("POLICY_DENIED") as string });
  const missing = await run("--add-dir", `${base}/none:/work`, "--", "true");
  expect(missing).toMatchObject({ code: 64, stderr: expect.stringContaining("does not exist") as string });
  const hidden = await run("--add-dir", `${output}:/etc`, "--", "true");
  expect(hidden.code).toBe(64);
});

it("a guest whose relay is killed has errors there and nothing else, and the sandbox goes on", async () => {
  await sandbox.commands.run(["sh", "-c", "kill -9 $(pgrep -x mvm-shares)"], { user: "root" });
  await until("the share is gone", async () => (await sh(sandbox, "ls /work/output")).exitCode !== 0);
  expect(await text(sandbox, "echo fine")).toBe("fine");
});
