import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createQemuBackend } from "../../../src/backends/qemu/index.js";
import { findStale, type InUse } from "../../../src/backends/qemu/stale.js";

const image = `sha256:${"a".repeat(64)}`;
const qemu = { version: "10.0.2", size: 5, mtimeMs: 7 };
const inputs = { imageDigest: image, kernelSha256: "k", initramfsSha256: "i", qemu };

function home(): { path: string; inUse: InUse } {
  const path = mkdtempSync(join(tmpdir(), "mvm-stale-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const put = (directory: string, file: string, content: unknown): void => {
    mkdirSync(join(path, directory), { recursive: true });
    writeFileSync(join(path, directory, file), JSON.stringify(content));
  };
  put("boot/now", "boot.json", { kernel_version: "6.12" });
  put("boot/former", "boot.json", { kernel_version: "6.1" });
  put("kernels/6.12", "x", {});
  put("kernels/6.1", "x", {});
  put("templates/good", "template.json", { inputs });
  put("templates/image-gone", "template.json", { inputs: { ...inputs, imageDigest: "sha256:b" } });
  put("templates/other-kernel", "template.json", { inputs: { ...inputs, kernelSha256: "x" } });
  put("templates/other-agent", "template.json", { inputs: { ...inputs, initramfsSha256: "x" } });
  put("templates/other-qemu", "template.json", { inputs: { ...inputs, qemu: { ...qemu, mtimeMs: 8 } } });
  put("templates/torn", "nothing", {});
  put("templates/.making-good-1", "template.json", {});
  const boot = {
    kernel: join(path, "boot/now/vmlinuz"),
    initramfs: "",
    agent: "",
    kernelSha256: "k",
    initramfsSha256: "i",
  };
  return { path, inUse: { images: new Set([image]), boot, qemu } };
}

test("what was made for an image, kernel, agent or QEMU that is no more is stale; what is in use or being made is not", async () => {
  const { path, inUse } = home();
  const found = (await findStale(path, inUse)).map(({ kind, path: at }) => `${kind} ${basename(at)}`);
  expect(found).toEqual([
    "template image-gone",
    "template other-agent",
    "template other-kernel",
    "template other-qemu",
    "template torn",
    "boot former",
    "kernel 6.1",
  ]);
});

test("what machines are made of here: the kernel and agent of now, and the templates with their images", async () => {
  const { path, inUse } = home();
  writeFileSync(join(path, "boot/now/boot.json"), JSON.stringify({ kernel_version: "6.12", agent_sha256: "ab" }));
  const at = (bootFiles: () => Promise<InUse["boot"]>) =>
    createQemuBackend({ home: path, bootFiles, warmUp: () => [], guard: undefined as never }).kept?.();
  expect(await at(() => Promise.resolve(inUse.boot))).toEqual({
    kernel: "6.12",
    agent: "sha256:ab",
    templates: ["good", "image-gone", "other-agent", "other-kernel", "other-qemu"].map((key) => ({
      key,
      imageDigest: key === "image-gone" ? "sha256:b" : image,
    })),
  });
  expect(await at(() => Promise.reject(new Error("none yet")))).toMatchObject({ kernel: null, agent: null });
});
