import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  buildImage,
  fetchKernel,
  openImageStore,
  sourceOptionsFromEnvironment,
  type ProgressEvent,
} from "../../src/index.js";
import { temporaryHome } from "../temporary-home.js";

const source = sourceOptionsFromEnvironment(process.env);
const minutes = 60_000;

test("minimal is built twice to the same digest, recorded and verified", { timeout: 5 * minutes }, async () => {
  const home = await temporaryHome();
  const phases: string[] = [];
  let mounted = false;
  const onProgress = (event: ProgressEvent): void => {
    phases.push(event.phase);
    // What is mounted where everybody sees it stays when the bootstrap is killed, the host's /dev among it.
    mounted ||= readFileSync("/proc/self/mountinfo", "utf8").includes(home);
  };
  const { record, path } = await buildImage({ ...source, home, name: "minimal", onProgress });
  expect(
    `sha256:${createHash("sha256")
      .update(await readFile(path))
      .digest("hex")}`,
  ).toBe(record.digest);
  expect(record.packages.map((entry) => entry.name)).toEqual(
    expect.arrayContaining(["bash", "coreutils", "ca-certificates"]),
  );
  expect(new Set(phases)).toEqual(new Set(["archive", "rootfs", "digest", "done"]));
  expect((await openImageStore(home).verify("minimal")).record).toEqual(record);
  expect(await readdir(join(home, "tmp"))).toEqual([]);
  expect(mounted).toBe(false);
  const again = await buildImage({ ...source, home: await temporaryHome(), name: "minimal" });
  expect(again.record.digest).toBe(record.digest);
});

test("a build stopped in the middle leaves nothing", { timeout: 2 * minutes }, async () => {
  const home = await temporaryHome();
  const abort = new AbortController();
  const stop = new Error("stop");
  const onProgress = (event: ProgressEvent): void => {
    if (event.detail?.startsWith("extracting")) abort.abort(stop);
  };
  await expect(buildImage({ ...source, home, name: "minimal", onProgress, signal: abort.signal })).rejects.toBe(stop);
  expect(await readdir(join(home, "images"))).toEqual(["refs"]);
  expect(await readdir(join(home, "tmp"))).toEqual([]);
});

test("an archive that is not there is a download error naming the next step", { timeout: minutes }, async () => {
  const home = await temporaryHome();
  const mirror = "http://127.0.0.1:9/debian";
  await expect(buildImage({ home, name: "minimal", mirror, suite: "trixie" })).rejects.toMatchObject({
    name: "AssetDownloadError",
  });
});

test("the kernel comes with what a machine needs to reach its disks", { timeout: 3 * minutes }, async () => {
  const kernel = await fetchKernel(await temporaryHome(), source);
  const names = kernel.modules.map((module) => module.name);
  expect(names.indexOf("erofs")).toBeGreaterThan(-1);
  expect(names).toEqual(expect.arrayContaining(["virtio_mmio", "virtio_blk", "overlay"]));
  for (const module of kernel.modules) expect(Buffer.from(module.content).toString("latin1", 0, 4)).toBe("\x7fELF");
});
