import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AssetChecksumError, AssetNotFoundError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { ensureBootAssets } from "../src/boot-assets.js";
import { makeImageLayout } from "../src/layout.js";
import { readCpio } from "./read-cpio.js";
import { temporaryHome } from "./temporary-home.js";
import { wantedModules } from "../src/kernel-modules.js";

/** A home that already has a kernel, so that nothing is fetched. */
async function homeWithKernel(vmlinuz = "kernel"): Promise<{ home: string; agentPath: string }> {
  const home = await temporaryHome();
  const directory = join((await makeImageLayout(home)).kernels, "6.1.0");
  await mkdir(join(directory, "modules"), { recursive: true });
  await writeFile(join(directory, "modules", "erofs.ko"), "module");
  await writeFile(join(directory, "vmlinuz"), vmlinuz);
  const record = {
    schema_version: 1,
    version: "6.1.0",
    suite: "trixie",
    packages: [],
    vmlinuz_sha256: createHash("sha256").update("kernel").digest("hex"),
    wanted: wantedModules,
    order: ["erofs"],
  };
  await writeFile(join(directory, "kernel.json"), JSON.stringify(record));
  const agentPath = join(home, "agent");
  await writeFile(agentPath, "agent one");
  return { home, agentPath };
}

test("the initramfs is made once for an agent and anew for another", async () => {
  const { home, agentPath } = await homeWithKernel();
  const first = await ensureBootAssets({ home, agentPath });
  expect(await readFile(first.vmlinuz, "utf8")).toBe("kernel");
  expect((await stat(first.initramfs)).mode & 0o777).toBe(0o444);
  expect(readCpio(await readFile(first.initramfs)).find((member) => member.path === "init")?.content).toBe("agent one");
  expect((await ensureBootAssets({ home, agentPath })).record).toEqual(first.record);
  await writeFile(agentPath, "agent two");
  const second = await ensureBootAssets({ home, agentPath });
  expect(second.record.id).not.toBe(first.record.id);
  expect(await readdir(join(home, "boot"))).toHaveLength(2);
});

test("a damaged initramfs is replaced", async () => {
  const { home, agentPath } = await homeWithKernel();
  const { initramfs } = await ensureBootAssets({ home, agentPath });
  const whole = await readFile(initramfs);
  await chmod(initramfs, 0o600);
  await writeFile(initramfs, whole.subarray(0, 100));
  await ensureBootAssets({ home, agentPath });
  expect((await readFile(initramfs)).equals(whole)).toBe(true);
  expect(await readdir(join(home, "tmp"))).toEqual([]);
});

test("a kernel that differs from its record is refused", async () => {
  const { home, agentPath } = await homeWithKernel("another kernel");
  await expect(ensureBootAssets({ home, agentPath })).rejects.toThrow(AssetChecksumError);
});

test("a missing agent is named", async () => {
  const { home } = await homeWithKernel();
  await expect(ensureBootAssets({ home, agentPath: join(home, "none") })).rejects.toThrow(AssetNotFoundError);
});
