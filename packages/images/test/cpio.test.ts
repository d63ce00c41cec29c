import { expect, test } from "vitest";
import { writeCpio } from "../src/cpio.js";
import { buildInitramfs } from "../src/initramfs.js";
import { readCpio } from "./read-cpio.js";

test("members come back with their type, mode, device and content", () => {
  const archive = writeCpio([
    { kind: "directory", path: "dev" },
    { kind: "character", path: "dev/console", major: 5, minor: 1 },
    { kind: "file", path: "init", mode: 0o755, content: Buffer.from("agent") },
    { kind: "file", path: "empty", content: Buffer.alloc(0) },
  ]);
  expect(readCpio(archive)).toEqual([
    { path: "dev", mode: 0o040755, device: [0, 0], content: "" },
    { path: "dev/console", mode: 0o020600, device: [5, 1], content: "" },
    { path: "init", mode: 0o100755, device: [0, 0], content: "agent" },
    { path: "empty", mode: 0o100644, device: [0, 0], content: "" },
  ]);
});

test("every header starts on a multiple of four, whatever the lengths of names and files", () => {
  for (let length = 0; length < 9; length++) {
    const content = Buffer.alloc(length, "x");
    const archive = writeCpio([
      { kind: "file", path: "n".repeat(length + 1), content },
      { kind: "file", path: "after", content },
    ]);
    expect(archive.length % 4).toBe(0);
    expect(readCpio(archive).map((member) => member.content.length)).toEqual([length, length]);
  }
});

test("the initramfs loads modules in the given order but stores them sorted, and is the same bytes every time", () => {
  const options = {
    agent: Buffer.from("agent"),
    modules: [
      { name: "virtio_mmio", content: Buffer.from("one") },
      { name: "erofs", content: Buffer.from("two") },
    ],
  };
  const members = readCpio(buildInitramfs(options));
  const find = (path: string): string | undefined => members.find((member) => member.path === path)?.content;
  expect(find("modules/order")).toBe("virtio_mmio.ko\nerofs.ko\n");
  expect(find("modules/erofs.ko")).toBe("two");
  expect(members.find((member) => member.path === "init")?.mode).toBe(0o100755);
  expect(members.map((member) => member.path)).toEqual(expect.arrayContaining(["proc", "sys", "dev"]));
  expect(buildInitramfs(options).equals(buildInitramfs(options))).toBe(true);
});
