import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../support/home.js";

const text = readFileSync(join(root, "SPECIFICATION.md"), "utf8");
const promises = [...text.matchAll(/^(\d+)\. (.*)$/gm)].map(([, number, line]) => ({
  number: Number(number),
  line: line ?? "",
}));

describe("SPECIFICATION.md", () => {
  it("numbers its promises without gaps", () => {
    expect(promises.map(({ number }) => number)).toEqual(promises.map((_promise, at) => at + 1));
  });

  it.each(promises.map(({ number, line }) => [number, line] as const))(
    "promise %i names tests that exist and test something",
    (_number, line) => {
      const tests = [...line.matchAll(/`([\w./-]+(?:\.test\.ts|\/test_\w+\.py))`/g)].map(([, path]) => path ?? "");
      expect(tests.length).toBeGreaterThan(0);
      for (const path of tests) {
        expect(existsSync(join(root, path)), path).toBe(true);
        expect(readFileSync(join(root, path), "utf8")).toMatch(/expect\(|assert /);
      }
    },
  );
});
