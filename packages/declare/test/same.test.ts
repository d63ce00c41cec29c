import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { canonicalWorkload, compileModule, type SourceLanguage } from "@mvm/declare";

const fixture = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

async function canonical(name: string, language: SourceLanguage): Promise<string> {
  const { workload, problems } = await compileModule(fixture(name), language);
  expect(problems).toEqual([]);
  return workload === null ? "" : canonicalWorkload(workload);
}

test.each(["report", "texts"])("%s has the same bytes in both languages", async (name) => {
  const typescript = await canonical(`${name}.ts`, "typescript");
  expect(typescript).toContain(`"id":"${name}"`);
  expect(await canonical(`${name}.py`, "python")).toBe(typescript);
});
