import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ResolvedImage } from "@mvm/images";
import { VerifiedImages } from "../src/images/verified-images.js";
import { temporaryHome } from "./fixture/daemon.js";

test("a verified image is remembered until its file or its name's reference changes", () => {
  const home = temporaryHome();
  const refs = join(home, "refs");
  mkdirSync(refs);
  const path = join(home, "image.erofs");
  const image = { path, record: { name: "python" } } as unknown as ResolvedImage;
  const prepare = (): VerifiedImages => {
    writeFileSync(path, "content");
    writeFileSync(join(refs, "python.json"), "{}");
    const images = new VerifiedImages(refs);
    images.remember("python", image);
    expect(images.get("python")).toBe(image);
    return images;
  };
  const changes: (() => void)[] = [
    () => writeFileSync(path, "CONTENT"),
    () => writeFileSync(join(refs, "python.json"), "[]"),
    () => renameSync(path, `${path}.gone`),
    () => renameSync(join(refs, "python.json"), join(refs, "gone.json")),
  ];
  for (const change of changes) {
    const images = prepare();
    change();
    expect(images.get("python")).toBeUndefined();
  }
  expect(prepare().get("node")).toBeUndefined();
});
