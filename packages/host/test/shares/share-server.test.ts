import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants as system } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Opcode, pack } from "../../src/shares/wire.js";
import { constants, emptyDirectory, share, text } from "./kernel.js";

const { errno } = system;

test("files are found, read and listed", async () => {
  const directory = emptyDirectory();
  mkdirSync(join(directory, "sub"));
  writeFileSync(join(directory, "sub", "a"), "hello");
  const kernel = await share(directory);
  const file = await kernel.open(await kernel.lookup(await kernel.lookup(1, "sub"), "a"));
  expect((await kernel.read(file, 1, 100)).payload.toString()).toBe("ello");
  expect((await kernel.read(file, 5, 100)).payload.length).toBe(0);
  expect(await kernel.list(1)).toEqual([".", "..", "sub"]);
});

test("a large directory is listed whole, whatever room there is at a time, and again from the middle", async () => {
  const directory = emptyDirectory();
  const names = Array.from({ length: 700 }, (_, index) => `file-${index}`);
  for (const name of names) writeFileSync(join(directory, name), "");
  const kernel = await share(directory);
  for (const size of [64, 200, 4096, 131_072]) {
    expect((await kernel.list(1, size)).sort()).toEqual([".", "..", ...names].sort());
  }
  const open = await kernel.opendir(1);
  const page = async (place: number) =>
    (await kernel.ask(Opcode.READDIR, 1, pack([64, open], [64, place], [32, 4096], [32, 0]))).payload;
  const middle = await page(300);
  await page(650);
  expect(await page(300)).toEqual(middle);
});

test("what is made has the mode that was asked for, and belongs to whom the directory belongs to", async () => {
  const directory = emptyDirectory();
  const kernel = await share(directory);
  const { payload } = await kernel.create(1, "new", constants.O_WRONLY, 0o644);
  const file = Number(payload.readBigUInt64LE(128));
  expect((await kernel.write(file, 0, Buffer.from("abc"))).error).toBe(0);
  await kernel.ask(Opcode.MKDIR, 1, Buffer.concat([pack([32, 0o755], [32, 0]), text("dir")]));
  expect(readFileSync(join(directory, "new"), "utf8")).toBe("abc");
  expect(statSync(join(directory, "new")).mode & 0o7777).toBe(0o644);
  expect(statSync(join(directory, "dir")).mode & 0o7777).toBe(0o755);
  expect(statSync(join(directory, "dir")).uid).toBe(statSync(directory).uid);
});

test("set-id bits are neither shown nor made", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "suid"), "", { mode: 0o755 });
  execFileSync("chmod", ["6755", join(directory, "suid")]);
  const kernel = await share(directory);
  const node = await kernel.lookup(1, "suid");
  const { payload } = await kernel.ask(Opcode.GETATTR, node, Buffer.alloc(16));
  expect(payload.readUInt32LE(16 + 60) & 0o7777).toBe(0o755);
  await kernel.create(1, "made", constants.O_WRONLY, 0o6755);
  const body = Buffer.alloc(88);
  body.writeUInt32LE(1, 0);
  body.writeUInt32LE(0o6777, 68);
  expect((await kernel.ask(Opcode.SETATTR, await kernel.lookup(1, "made"), body)).error).toBe(0);
  expect(statSync(join(directory, "made")).mode & 0o7777).toBe(0o777);
});

test("the owner is not the guest's to change", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "");
  const kernel = await share(directory);
  const body = Buffer.alloc(88);
  body.writeUInt32LE(2, 0);
  expect((await kernel.ask(Opcode.SETATTR, await kernel.lookup(1, "a"), body)).error).toBe(-errno.EPERM);
});

test("a rename is followed, also by what was known below it", async () => {
  const directory = emptyDirectory();
  mkdirSync(join(directory, "old"));
  writeFileSync(join(directory, "old", "a"), "x");
  const kernel = await share(directory);
  const old = await kernel.lookup(1, "old");
  const file = await kernel.lookup(old, "a");
  const { error } = await kernel.ask(Opcode.RENAME, 1, Buffer.concat([pack([64, 1]), text("old", "new")]));
  expect(error).toBe(0);
  expect(await kernel.open(file)).toBeGreaterThan(0);
  expect(readdirSync(directory)).toEqual(["new"]);
});

test("H-11 nothing in a read-only share can be changed, whatever the guest asks", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "kept");
  const before = statSync(join(directory, "a")).mtimeMs;
  const kernel = await share(directory, { readOnly: true });
  const a = await kernel.lookup(1, "a");
  for (const flags of [constants.O_WRONLY, constants.O_RDWR, constants.O_RDONLY | constants.O_TRUNC]) {
    expect(await kernel.open(a, flags)).toBe(-errno.EROFS);
  }
  const reading = await kernel.open(a);
  expect((await kernel.write(reading, 0, Buffer.from("x"))).error).toBe(-errno.EROFS);
  const size = Buffer.alloc(88);
  size.writeUInt32LE(8, 0);
  const asked: readonly [number, Buffer][] = [
    [Opcode.SETATTR, size],
    [Opcode.MKDIR, Buffer.concat([pack([32, 0o755], [32, 0]), text("d")])],
    [Opcode.SYMLINK, text("l", "a")],
    [Opcode.LINK, Buffer.concat([pack([64, a]), text("hard")])],
    [Opcode.UNLINK, text("a")],
    [Opcode.RMDIR, text("a")],
    [Opcode.RENAME, Buffer.concat([pack([64, 1]), text("a", "b")])],
    [Opcode.RENAME2, Buffer.concat([pack([64, 1], [32, 0], [32, 0]), text("a", "b")])],
    [Opcode.CREATE, Buffer.concat([pack([32, constants.O_WRONLY], [32, 0o644], [32, 0], [32, 0]), text("n")])],
  ];
  for (const [opcode, body] of asked) {
    const node = opcode === Opcode.SETATTR ? a : 1;
    expect((await kernel.ask(opcode, node, body)).error, `opcode ${opcode}`).toBe(-errno.EROFS);
  }
  expect(readdirSync(directory)).toEqual(["a"]);
  expect(readFileSync(join(directory, "a"), "utf8")).toBe("kept");
  expect(statSync(join(directory, "a")).mtimeMs).toBe(before);
});

test("F-01 no name leads out of the directory", async () => {
  const directory = emptyDirectory();
  const kernel = await share(directory);
  for (const name of ["", ".", "..", "../x", "/etc/passwd", "a/b", "a/../../x"]) {
    expect(await kernel.lookup(1, name), JSON.stringify(name)).toBe(-errno.EINVAL);
  }
  expect(await kernel.lookup(1, "x".repeat(256))).toBe(-errno.ENAMETOOLONG);
  for (const number of [0, 2, 999, 2 ** 40]) expect(await kernel.lookup(number, "a")).toBe(-errno.ESTALE);
});

test("F-02 a link is never followed on the host: not as a directory, not as a file, not by number", async () => {
  const outside = emptyDirectory();
  writeFileSync(join(outside, "secret"), "host only", { mode: 0o600 });
  const directory = emptyDirectory();
  symlinkSync(outside, join(directory, "way"));
  symlinkSync(join(outside, "secret"), join(directory, "file"));
  const kernel = await share(directory);
  const way = await kernel.lookup(1, "way");
  const file = await kernel.lookup(1, "file");
  expect(way).toBeGreaterThan(1);
  expect(await kernel.lookup(way, "secret")).toBe(-errno.ENOTDIR);
  expect(await kernel.opendir(way)).toBeLessThan(0);
  expect(await kernel.open(file)).toBe(-errno.EACCES);
  expect((await kernel.create(way, "planted", constants.O_WRONLY)).error).toBeLessThan(0);
  expect((await kernel.create(1, "file", constants.O_WRONLY)).error).toBe(-errno.EACCES);
  const body = Buffer.alloc(88);
  body.writeUInt32LE(1 | 8 | 16 | 32, 0);
  body.writeUInt32LE(0o777, 68);
  for (const node of [way, file]) await kernel.ask(Opcode.SETATTR, node, body);
  expect(readdirSync(outside)).toEqual(["secret"]);
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("host only");
  expect(statSync(join(outside, "secret")).mode & 0o777).toBe(0o600);
});

test("F-03 a directory that is exchanged for a link outside, again and again, is never left", async () => {
  const outside = emptyDirectory();
  writeFileSync(join(outside, "a"), "host only");
  const directory = emptyDirectory();
  mkdirSync(join(directory, "d"));
  writeFileSync(join(directory, "d", "a"), "shared");
  const kernel = await share(directory);
  let stopped = false;
  const racer = (async () => {
    while (!stopped) {
      renameSync(join(directory, "d"), join(directory, "aside"));
      symlinkSync(outside, join(directory, "d"));
      await new Promise((resolve) => setImmediate(resolve));
      rmSync(join(directory, "d"));
      renameSync(join(directory, "aside"), join(directory, "d"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const seen = new Set<string>();
  for (let round = 0; round < 3_000; round++) {
    const parent = await kernel.lookup(1, "d");
    const node = parent > 0 ? await kernel.lookup(parent, "a") : parent;
    const file = node > 0 ? await kernel.open(node) : node;
    if (file <= 0) continue;
    seen.add((await kernel.read(file, 0, 100)).payload.toString());
    await kernel.ask(Opcode.RELEASE, node, pack([64, file], [64, 0], [64, 0]));
  }
  stopped = true;
  await racer;
  expect([...seen]).toEqual(["shared"]);
});

test("links that the guest makes lead to places in the directory only", async () => {
  const directory = emptyDirectory();
  mkdirSync(join(directory, "d"));
  const kernel = await share(directory);
  const d = await kernel.lookup(1, "d");
  const make = async (parent: number, name: string, target: string) =>
    (await kernel.ask(Opcode.SYMLINK, parent, text(name, target))).error;
  for (const target of ["/etc/passwd", "..", "../x", "d/../../x", ""]) {
    expect(await make(1, "l", target), target).toBe(-errno.EPERM);
  }
  expect(await make(d, "up", "../x")).toBe(0);
  expect(await make(d, "out", "../../x")).toBe(-errno.EPERM);
  expect(await make(1, "in", "d/x")).toBe(0);
  expect(readlinkSync(join(directory, "in"))).toBe("d/x");
});

test("pipes and devices are seen and not opened", async () => {
  const directory = emptyDirectory();
  execFileSync("mkfifo", [join(directory, "pipe")]);
  const kernel = await share(directory);
  const pipe = await kernel.lookup(1, "pipe");
  expect(pipe).toBeGreaterThan(1);
  expect(await kernel.open(pipe)).toBe(-errno.EACCES);
  expect((await kernel.create(1, "pipe", constants.O_WRONLY)).error).toBe(-errno.EACCES);
});

test("another file system below the directory is not shared", async () => {
  const kernel = await share("/");
  expect(await kernel.lookup(1, "proc")).toBe(-errno.EXDEV);
});

test("handles are let go, files are found again, and another file of the same name is stale", async () => {
  const directory = emptyDirectory();
  for (let index = 0; index < 1_200; index++) writeFileSync(join(directory, `f${index}`), `${index}`);
  const kernel = await share(directory);
  const nodes: number[] = [];
  for (let index = 0; index < 1_200; index++) nodes.push(await kernel.lookup(1, `f${index}`));
  const held = readdirSync("/proc/self/fd").length;
  expect(held).toBeLessThan(700);
  writeFileSync(join(directory, "other"), "");
  renameSync(join(directory, "other"), join(directory, "f0"));
  expect(await kernel.open(nodes[0]!)).toBe(-errno.ESTALE);
  const file = await kernel.open(nodes[1]!);
  expect((await kernel.read(file, 0, 10)).payload.toString()).toBe("1");
});

test("a forgotten file has no number any more, and the last close lets its handle go", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "");
  linkSync(join(directory, "a"), join(directory, "b"));
  const kernel = await share(directory);
  const a = await kernel.lookup(1, "a");
  expect(await kernel.lookup(1, "b")).toBe(a);
  await kernel.tell(Opcode.FORGET, a, pack([64, 1]));
  expect(await kernel.open(a)).toBeGreaterThan(0);
  await kernel.tell(Opcode.BATCH_FORGET, 0, pack([32, 1], [32, 0], [64, a], [64, 1]));
  expect(await kernel.open(a)).toBe(-errno.ESTALE);
  await kernel.tell(Opcode.FORGET, 1, pack([64, 1_000]));
  expect(await kernel.lookup(1, "a")).toBeGreaterThan(1);
});

test("the files of all shares of a guest are bounded together; what it forgets makes room", async () => {
  const budget = { left: 3 };
  const [one, two] = [emptyDirectory(), emptyDirectory()];
  for (const name of ["a", "b", "c"]) for (const directory of [one, two]) writeFileSync(join(directory, name), "");
  const [first, second] = [await share(one, { budget }), await share(two, { budget })];
  const a = await first.lookup(1, "a");
  expect(await first.lookup(1, "b")).toBeGreaterThan(1);
  expect(await second.lookup(1, "a")).toBeGreaterThan(1);
  expect(await second.lookup(1, "b")).toBe(-errno.ENFILE);
  expect(await first.lookup(1, "a")).toBe(a);
  await first.tell(Opcode.FORGET, a, pack([64, 2]));
  expect(await second.lookup(1, "b")).toBeGreaterThan(1);
});

test("removing works, and what is open stays readable", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "still");
  mkdirSync(join(directory, "d"));
  const kernel = await share(directory);
  const file = await kernel.open(await kernel.lookup(1, "a"));
  expect((await kernel.ask(Opcode.UNLINK, 1, text("a"))).error).toBe(0);
  expect((await kernel.ask(Opcode.RMDIR, 1, text("d"))).error).toBe(0);
  expect((await kernel.read(file, 0, 10)).payload.toString()).toBe("still");
  expect(existsSync(join(directory, "a"))).toBe(false);
  expect((await kernel.ask(Opcode.UNLINK, 1, text("a"))).error).toBe(-errno.ENOENT);
});

test("what the protocol has and this side has not is said to be so, and bytes that are none are an error", async () => {
  const kernel = await share(emptyDirectory());
  expect((await kernel.ask(22, 1, Buffer.alloc(8))).error).toBe(-errno.ENOSYS);
  await expect(kernel.ask(Opcode.WRITE, 1, Buffer.alloc(3))).rejects.toThrow(RangeError);
  await expect(kernel.ask(Opcode.LOOKUP, 1, Buffer.from("no end"))).rejects.toThrow(RangeError);
});
