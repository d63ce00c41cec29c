import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "./support/cli.js";

const fixtures = new URL("../../declare/test/fixtures/", import.meta.url);
let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "mvmctl-compile-"));
  cpSync(fixtures, cwd, { recursive: true });
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

it("prints the same document for both languages, with and without --json, and for its own file", async () => {
  const typescript = await run(["compile", "report.ts"], { cwd });
  expect(typescript).toMatchObject({ code: 0, stderr: "" });
  const document = JSON.parse(typescript.stdout.toString());
  expect(document).toMatchObject({ schema_version: 1, ir: { schema_version: "0.1", id: "report" } });
  const others = [["report.py"], ["report.py", "--json"], ["report.ts", "-o", "out/build"]];
  for (const words of [...others, ["--from-ir", "out/build/workload.json"]]) {
    expect((await run(["compile", ...words], { cwd })).stdout).toEqual(typescript.stdout);
  }
  expect(JSON.parse(readFileSync(join(cwd, "out/build/workload.json"), "utf8"))).toEqual(document.ir);
  const valid = await run(["validate", "out/build/workload.json"], { cwd });
  expect([valid.code, valid.stdout.toString()]).toEqual([0, expect.stringContaining(document.ir_hash)]);
});

it("names each problem with its place, and exits 65", async () => {
  writeFileSync(join(cwd, "bad.py"), 'import mvm\nmvm.define_workload(id="a", image=pick())\n');
  const line = /^bad\.py:2:35: E_COMPILE_UNKNOWN_HELPER Nothing is run/;
  expect(await run(["compile", "bad.py"], { cwd })).toMatchObject({ code: 65, stderr: expect.stringMatching(line) });
  const json = await run(["compile", "bad.py", "--json"], { cwd });
  const { problems, error, ok } = JSON.parse(json.stdout.toString());
  expect([json.code, ok, error.code]).toEqual([65, false, "VERIFICATION_FAILED"]);
  expect(problems).toMatchObject([{ line: 2, column: 35, code: "E_COMPILE_UNKNOWN_HELPER" }]);
  writeFileSync(join(cwd, "bad.json"), '{"schema_version":"0.1","id":"Bad","apps":[]}');
  for (const words of [["compile", "--from-ir"], ["validate"]]) {
    const { code, stdout, stderr } = await run([...words, "bad.json"], { cwd });
    expect([code, stdout.length]).toEqual([65, 0]);
    expect(stderr).toMatch(/^bad\.json:\/id: E_INVALID_ID /);
  }
});

it("refuses what it cannot read as usage, not as a workload", async () => {
  expect(await run(["compile", "none.ts"], { cwd })).toMatchObject({ code: 64 });
  expect(await run(["compile", "out"], { cwd })).toMatchObject({
    code: 64,
    stderr: expect.stringContaining("--from-ir"),
  });
});

it("runs a workload as it was reviewed: nothing beside it changes what it says", async () => {
  for (const words of [
    ["--env", "A=1"],
    ["--memory", "1G"],
    ["--", "true"],
  ]) {
    const { code, stderr } = await run(["run", "--workload", "report.py", ...words], { cwd });
    expect([code, stderr]).toEqual([64, expect.stringContaining("with --workload")]);
  }
  expect(await run(["run", "--workload", "bad.json"], { cwd })).toMatchObject({ code: 65 });
});
