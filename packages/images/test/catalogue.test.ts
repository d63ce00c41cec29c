import { AssetNotFoundError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { catalogue, catalogueEntry, defaultImage } from "../src/catalogue.js";
import { finishScript } from "../src/finish-script.js";
import { imageNamePattern } from "../src/manifest.js";

test("the catalogue has the three images of the contract and the one that builds, and the default is one of them", () => {
  expect(catalogue.map((entry) => entry.name)).toEqual(["minimal", "python", "node", "builder"]);
  expect(catalogueEntry(defaultImage).packages).toEqual(expect.arrayContaining(["python-is-python3", "python3-pip"]));
  for (const entry of catalogue) expect(entry.name).toMatch(imageNamePattern);
});

test("an unknown name says what there is", () => {
  expect(() => catalogueEntry("ubuntu")).toThrow(AssetNotFoundError);
  expect(() => catalogueEntry("ubuntu")).toThrow("minimal, python, node");
});

test("only an image with Python compiles it", () => {
  expect(finishScript(catalogueEntry("python"))).toContain("unchecked-hash");
  expect(finishScript(catalogueEntry("minimal"))).not.toContain("compileall");
});
