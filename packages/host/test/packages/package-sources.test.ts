import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAllowed } from "@mvm/images";
import { PolicyDenied } from "@mvm/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { modulesOf } from "../../src/packages/installers.js";
import { packageSources, parseSources } from "../../src/packages/package-sources.js";

let directory: string;
const sources = () => packageSources(directory, join(directory, "none"));
const write = (document: unknown, mode = 0o600) => {
  writeFileSync(join(directory, "packages.json"), JSON.stringify(document));
  chmodSync(join(directory, "packages.json"), mode);
};

beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "mvm-packages-"))));
afterEach(() => rmSync(directory, { recursive: true }));

test("where the operator says nothing, well-known names are allowed and their like are not", () => {
  const { allow } = sources();
  expect(["requests", "Requests", "pydantic_core"].map((name) => isAllowed(allow, "pip", name))).toEqual([
    true,
    true,
    true,
  ]);
  expect(["reqeusts", "request", "requests2"].some((name) => isAllowed(allow, "pip", name))).toBe(false);
  expect(isAllowed(allow, "npm", "@types/node")).toBe(true);
  expect(isAllowed(allow, "npm", "requests")).toBe(false);
});

test("the operator's word replaces what is built in, manager by manager", () => {
  write({ pip: { allow: ["In_House"], index: "http://pypi.corp.test:8080/simple/" }, npm: { allow: "*" } });
  const own = sources();
  expect(isAllowed(own.allow, "pip", "in-house")).toBe(true);
  expect(isAllowed(own.allow, "pip", "requests")).toBe(false);
  expect(isAllowed(own.allow, "npm", "anything")).toBe(true);
  expect(own.rules("pip")).toEqual([{ host: "pypi.corp.test", port: 8080, protocol: "http" }]);
  expect(own.rules("npm")).toEqual([{ host: "registry.npmjs.org", port: 443, protocol: "https" }]);
});

test("packages of apt have a list, and no way out: the host brings them", () => {
  write({ apt: { allow: ["in-house"] } });
  const own = sources();
  expect(["in-house", "jq"].map((name) => isAllowed(own.allow, "apt", name))).toEqual([true, false]);
  expect(own.rules("apt")).toEqual([]);
  write({});
  expect(["jq", "g++", "jqq"].map((name) => isAllowed(sources().allow, "apt", name))).toEqual([true, true, false]);
});

test("an empty list allows nothing", () => {
  write({ pip: { allow: [] } });
  expect(isAllowed(sources().allow, "pip", "requests")).toBe(false);
});

test.each([
  [{ conda: {} }, /no manager/],
  [{ pip: { alow: [] } }, /"alow"/],
  [{ pip: { allow: "some" } }, /"allow"/],
  [{ pip: { allow: [1] } }, /"allow"/],
  [{ pip: { index: "file:///x" } }, /http or https/],
  [{ apt: { allow: ["jq"], index: "https://deb.test/" } }, /only "allow"/],
  [{ apt: { hosts: ["deb.test"] } }, /only "allow"/],
  [[], /JSON object/],
])("%j closes the door", (document, problem) => {
  expect(() => parseSources(document)).toThrow(problem);
  write(document);
  expect(sources).toThrow(PolicyDenied);
});

test("a file that others may write closes the door", () => {
  write({ pip: { allow: "*" } }, 0o666);
  expect(sources).toThrow(/others may write it/);
});

test("a lock file's packages have the names they were published under", () => {
  const packages = {
    "": { name: "home" },
    "node_modules/left-pad": { version: "1.3.0" },
    "node_modules/a/node_modules/@Scope/b": { version: "2.0.0" },
    "node_modules/alias": { name: "real", version: "3.0.0" },
  };
  const settled = modulesOf(JSON.stringify({ packages }));
  expect(settled.map(({ name, version }) => `${name} ${version}`)).toEqual([
    "left-pad 1.3.0",
    "@scope/b 2.0.0",
    "real 3.0.0",
  ]);
});
