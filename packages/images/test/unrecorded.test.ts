import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { imageLayout, makeImageLayout } from "../src/layout.js";
import { removeUnrecorded, unrecordedImages } from "../src/unrecorded.js";
import { temporaryHome } from "./temporary-home.js";

const hour = 3600 * 1000;
const hex = (digit: string) => digit.repeat(64);

test("files of images without a record are found once they have waited an hour, recorded ones and other files never", async () => {
  const home = await temporaryHome();
  await makeImageLayout(home);
  const { images } = imageLayout(home);
  const recorded = [`${hex("a")}.erofs`, `${hex("a")}.json`];
  const damaged = [`${hex("b")}.erofs`, `${hex("b")}.json`];
  const left = [`${hex("c")}.erofs`, `${hex("d")}.erofs`];
  const others = [`${hex("e")}.erofs.tmp`, `${hex("E")}.erofs`, "notes.erofs", `${hex("f")}.json`];
  for (const name of [...recorded, ...damaged, ...left, ...others]) await writeFile(join(images, name), "{");
  const now = Date.now();

  expect(await unrecordedImages(home, now)).toEqual([]);
  expect(await unrecordedImages(home, now + hour / 2)).toEqual([]);
  expect(await unrecordedImages(home, now + 2 * hour)).toEqual(left.map((name) => join(images, name)));
});

test("a link is found as itself, and a state root without images has none", async () => {
  const home = await temporaryHome();
  const later = Date.now() + 2 * hour;
  expect(await unrecordedImages(home, later)).toEqual([]);
  const { images } = await makeImageLayout(home);
  await mkdir(join(home, "elsewhere"));
  await symlink(join(home, "elsewhere"), join(images, `${hex("a")}.erofs`));
  expect(await unrecordedImages(home, later)).toEqual([join(images, `${hex("a")}.erofs`)]);
});

test("what has got a record since it was found, or came anew, is not removed", async () => {
  const home = await temporaryHome();
  const { images } = await makeImageLayout(home);
  const now = Date.now();
  const later = now + 2 * hour;
  const [recorded, anew, left] = ["a", "b", "c"].map((digit) => join(images, `${hex(digit)}.erofs`)) as [
    string,
    string,
    string,
  ];
  for (const path of [recorded, anew, left]) await writeFile(path, "x");
  expect(await unrecordedImages(home, later)).toEqual([recorded, anew, left]);
  await writeFile(recorded.replace("erofs", "json"), "{}");
  expect(removeUnrecorded(recorded, later)).toBe(false);
  // Published again and not recorded yet: it has had its place for less than an hour.
  expect(removeUnrecorded(anew, now)).toBe(false);
  expect([removeUnrecorded(left, later), removeUnrecorded(left, later)]).toEqual([true, false]);
  expect((await readdir(images)).filter((name) => name.endsWith(".erofs"))).toEqual(
    [recorded, anew].map((path) => basename(path)),
  );
});
