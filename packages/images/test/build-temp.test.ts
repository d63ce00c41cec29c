import { mkdir, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { makeBuildTemp, sweepBuildTemps } from "../src/build-temp.js";
import { temporaryHome } from "./temporary-home.js";

test("the sweep takes what dead builds left, and nothing else", async () => {
  const home = await temporaryHome();
  const mine = await makeBuildTemp(home);
  const dead = `build-${process.pid}-1-reused`;
  await mkdir(join(home, "tmp", dead, "deep"), { recursive: true });
  await mkdir(join(home, "tmp", "someone-elses"));
  expect(await sweepBuildTemps(home)).toEqual([dead]);
  expect((await readdir(join(home, "tmp"))).sort()).toEqual([basename(mine.path), "someone-elses"].sort());
  await mine.remove();
  expect(await readdir(join(home, "tmp"))).toEqual(["someone-elses"]);
});
