import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeHome, root } from "../support/home.js";
import { lifecycleMatrix } from "./matrix.js";
import { play, type Verdict } from "./play.js";
import { type Surface, type SurfaceName, suite, surfaceNames } from "./scenario.js";
import { cliSurface } from "./surfaces/cli.js";
import { pythonSurface } from "./surfaces/python.js";
import { typescriptSurface } from "./surfaces/typescript.js";

const open: Record<SurfaceName, (home: string) => Surface> = {
  cli: cliSurface,
  python: (home) => pythonSurface("python", home),
  typescript: typescriptSurface,
  "python-async": (home) => pythonSurface("python-async", home),
};

const made = makeHome();
afterAll(() => made.remove());
const results = new Map<SurfaceName, Map<string, Verdict | "failed">>();

describe.each(surfaceNames)("%s", (name) => {
  const verdicts = new Map<string, Verdict | "failed">();
  let surface: Surface;
  let shared: unknown;

  beforeAll(async () => {
    surface = open[name](made.home);
    const options = { name: `${name}-shared`, image: "python", profile: "standard", ttl_seconds: 1800, detach: true };
    const answer = await surface.call("create", options);
    if (typeof answer === "string" || "error" in answer)
      throw new Error(`no shared sandbox: ${JSON.stringify(answer)}`);
    shared = answer.result;
  });
  afterAll(async () => {
    await surface.call("destroy", { sandbox: (shared as { id: string }).id });
    await surface.close();
  });

  const scenarios = suite.scenarios.filter(({ only }) => only === undefined || only.includes(name));
  test.for(scenarios)("$id", async (scenario, { skip }) => {
    results.set(name, verdicts);
    verdicts.set(scenario.id, "failed");
    const verdict = await play(scenario, surface, { home: made.home, shared });
    verdicts.set(scenario.id, verdict);
    if (verdict === "unsupported") skip("this surface does not have it");
  });
});

test("docs/lifecycle-matrix.md is what these results give", ({ skip }) => {
  if (results.size < surfaceNames.length) return skip("not every surface was asked");
  const path = join(root, "docs", "lifecycle-matrix.md");
  const matrix = lifecycleMatrix(suite, results);
  if (process.env["UPDATE_DOCS"]) writeFileSync(path, matrix);
  expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(matrix);
});
