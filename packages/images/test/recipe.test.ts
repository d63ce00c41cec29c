import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyConfig, type BuildStep, recipeKey, recipeParts, type Recipe } from "../src/index.js";
import { missReason } from "../src/recipe/recipe.js";
import { BuildCache } from "../src/recipe/build-cache.js";
import { publishImage } from "../src/publish.js";
import { makeImageLayout } from "../src/layout.js";
import { openImageStore } from "../src/store.js";
import { temporaryHome } from "./temporary-home.js";

const run: BuildStep = { kind: "run", text: "RUN make", argv: ["make"], env: {}, cwd: "/", user: "root" };
const copy: BuildStep = {
  ...{ kind: "copy", text: "COPY . /app", archive: "/tmp/1/a.tar", sha256: "a".repeat(64) },
  ...{ to: "/app/", owner: "0:0", mode: null },
};
const recipe: Recipe = { base: "sha256:1", steps: [copy, run], config: emptyConfig };
const parts = (change: Partial<Recipe> = {}) => recipeParts({ ...recipe, ...change }, "tools");

test("the key depends on what decides over the result, and on nothing else", () => {
  const key = recipeKey(parts());
  const moved = { ...copy, archive: "/tmp/2/b.tar", text: "COPY  .  /app" };
  expect(recipeKey(parts({ steps: [moved, run] }))).toBe(key);
  const changes: Partial<Recipe>[] = [
    { base: "sha256:2" },
    { steps: [copy] },
    { steps: [run, copy] },
    { steps: [{ ...copy, sha256: "b".repeat(64) }, run] },
    { steps: [{ ...copy, owner: "1000" }, run] },
    { steps: [copy, { ...run, env: { A: "1" } }] },
    { config: { ...emptyConfig, user: "app" } },
  ];
  const keys = changes.map((change) => recipeKey(parts(change)));
  expect(new Set([key, ...keys]).size).toBe(changes.length + 1);
  expect(recipeKey(recipeParts(recipe, "other tools"))).not.toBe(key);
});

test.each([
  [undefined, /nothing was built under this name/],
  [parts({ base: "sha256:0" }), /starts from is another/],
  [parts({ steps: [{ ...copy, sha256: "b".repeat(64) }, run] }), /what step 1 \(COPY \. \/app\) brings has changed/],
  [parts({ steps: [copy, { ...run, text: "RUN all", argv: ["all"] }] }), /step 2 \(RUN make\) was RUN all/],
  [parts({ steps: [copy] }), /step 2 \(RUN make\) is new/],
  [parts({ steps: [copy, run, run] }), /fewer steps/],
  [parts({ config: { ...emptyConfig, cwd: "/app" } }), /settings/],
])("every miss has its reason", (before, reason) => {
  expect(missReason(parts(), before)).toMatch(reason);
});

test("the cache gives what was built, says what has changed, and believes no damaged result", async () => {
  const layout = await makeImageLayout(await temporaryHome());
  const cache = new BuildCache(layout, openImageStore(layout.home));
  const file = join(layout.tmp, "root.erofs");
  const superblock = Buffer.alloc(4096);
  superblock.writeUInt32LE(0xe0f5e1e2, 1024);
  superblock[1024 + 12] = 12;
  superblock.writeUInt32LE(1, 1024 + 36);
  writeFileSync(file, superblock);
  const record = { name: "app", created_at: "2026-01-01T00:00:00Z", suite: "trixie", architecture: "amd64" as const };
  const image = await publishImage(layout, file, { ...record, packages: [], sources: [] });
  expect(await cache.look("app", parts(), true)).toEqual({ reason: "nothing was built under this name before" });
  await cache.remember("app", parts(), image.record.digest);
  expect(await cache.look("other", parts(), true)).toMatchObject({
    image: { record: { digest: image.record.digest } },
  });
  expect(await cache.look("app", parts(), false)).toEqual({ reason: "the cache was not to be used" });
  expect(await cache.look("app", parts({ steps: [run] }), true)).toMatchObject({
    reason: expect.stringMatching(/step 1/) as unknown,
  });
  await openImageStore(layout.home).remove("app");
  expect(await cache.look("app", parts(), true)).toEqual({ reason: "its result is gone or damaged" });
});
