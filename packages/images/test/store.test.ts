import { createHash } from "node:crypto";
import { readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AssetChecksumError, AssetNotFoundError, InvalidArgumentError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { imageLayout, makeImageLayout } from "../src/layout.js";
import type { ImageRecord } from "../src/manifest.js";
import { openImageStore, type ResolvedImage } from "../src/store.js";
import { temporaryHome } from "./temporary-home.js";

async function addImage(home: string, name: string, content: string): Promise<ResolvedImage> {
  await makeImageLayout(home);
  const hex = createHash("sha256").update(content).digest("hex");
  await writeFile(join(imageLayout(home).images, `${hex}.erofs`), content);
  const record: ImageRecord = {
    schema_version: 1,
    name,
    digest: `sha256:${hex}`,
    size: content.length,
    created_at: "2026-01-01T00:00:00.000Z",
    suite: "trixie",
    architecture: "amd64",
    packages: [{ name: "bash", version: "5", arch: "amd64" }],
    sources: [],
  };
  return openImageStore(home).register(record);
}

test("an image is found by name, pin, digest and prefix", async () => {
  const home = await temporaryHome();
  const { record, path } = await addImage(home, "python", "content");
  const store = openImageStore(home);
  const hex = record.digest.slice(7);
  for (const ref of [
    "python",
    `python@${record.digest}`,
    record.digest,
    hex.slice(0, 6),
    `sha256:${hex.slice(0, 12)}`,
  ]) {
    expect(await store.resolve(ref), ref).toEqual({ record, path });
    expect((await store.verify(ref)).path).toBe(path);
  }
  expect(await store.list()).toEqual([{ record, refs: ["python"] }]);
});

test("a name moves to a newer image; a pin stays with its digest", async () => {
  const home = await temporaryHome();
  const first = await addImage(home, "python", "first");
  const second = await addImage(home, "python", "second");
  const store = openImageStore(home);
  expect((await store.resolve("python")).record.digest).toBe(second.record.digest);
  expect((await store.resolve(`python@${first.record.digest}`)).path).toBe(first.path);
});

test("changed content is refused, also when size and modification time are put back", async () => {
  const home = await temporaryHome();
  const { path } = await addImage(home, "python", "content");
  const store = openImageStore(home);
  await utimes(path, 1, 1);
  await store.verify("python");
  await writeFile(path, "c0ntent");
  await utimes(path, 1, 1);
  await expect(store.verify("python")).rejects.toThrow(AssetChecksumError);
  await writeFile(path, "content");
  await store.verify("python");
  await truncate(path, 3);
  await expect(store.verify("python")).rejects.toThrow(AssetChecksumError);
});

test("what is missing says so: name, file, record", async () => {
  const home = await temporaryHome();
  const store = openImageStore(home);
  await expect(store.resolve("python")).rejects.toThrow("this store has none");
  const { record, path } = await addImage(home, "python", "content");
  await expect(store.resolve("node")).rejects.toThrow(/"node": this store has python/);
  await rm(path);
  await expect(store.verify("python")).rejects.toThrow(AssetNotFoundError);
  await rm(path.replace(/erofs$/, "json"));
  await expect(store.resolve(record.digest)).rejects.toThrow(AssetNotFoundError);
});

test("a prefix of two digests is refused, and a damaged record is a damaged image", async () => {
  const home = await temporaryHome();
  const { images } = await makeImageLayout(home);
  const { path } = await addImage(home, "python", "content");
  const record = await readFile(path.replace(/erofs$/, "json"), "utf8");
  const twins = ["aaaaaa0", "aaaaaa1"].map((start) => start.padEnd(64, "0"));
  for (const hex of twins) await writeFile(join(images, `${hex}.json`), record);
  const store = openImageStore(home);
  await expect(store.resolve("aaaaaa")).rejects.toThrow(InvalidArgumentError);
  await expect(store.resolve("aaaaaa0")).rejects.toThrow(AssetChecksumError);
  await writeFile(path.replace(/erofs$/, "json"), record.slice(0, 40));
  await expect(store.resolve("python")).rejects.toThrow(AssetChecksumError);
  expect(await store.list()).toEqual([]);
});

test.each(["", "../etc/passwd", "Python", "python@latest", "sha256:xyz", "sha256:abc", "a/b", "x".repeat(65)])(
  "%j is not a reference",
  async (ref) => {
    await expect(openImageStore("/nonexistent").resolve(ref)).rejects.toThrow(InvalidArgumentError);
  },
);

test("removing takes the file, the record and every name", async () => {
  const home = await temporaryHome();
  const { record } = await addImage(home, "python", "content");
  await addImage(home, "same", "content");
  const store = openImageStore(home);
  await store.remove(record.digest);
  expect(await store.list()).toEqual([]);
  await expect(store.resolve("same")).rejects.toThrow(AssetNotFoundError);
});
