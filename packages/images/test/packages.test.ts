import fc from "fast-check";
import { PackageNotAllowedError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { type AllowList, canonicalName, isAllowed, parseWish, requireAllowed } from "../src/index.js";

const list: AllowList = {
  pip: new Set(["ruamel-yaml"]),
  npm: new Set(["left-pad", "@types/node"]),
  apt: new Set(["g++", "libstdc++6", "jq"]),
};

test.each([
  ["pip", "Ruamel.YAML", "ruamel-yaml"],
  ["pip", "ruamel__yaml == 0.18.*", "ruamel-yaml"],
  ["pip", "ruamel-yaml[jinja2]>=0.17,<1", "ruamel-yaml"],
  ["npm", "left-pad@^1.3", "left-pad"],
  ["npm", "@Types/Node@20.x", "@types/node"],
  ["apt", "g++", "g++"],
  ["apt", "libstdc++6=14.2*", "libstdc++6"],
  ["apt", "jq=1.7.1-6+deb13u4", "jq"],
] as const)("%s %s is %s, and allowed", (manager, spec, name) => {
  const wish = parseWish(manager, spec);
  expect(wish).toMatchObject({ manager, name });
  expect(() => requireAllowed(list, [wish])).not.toThrow();
});

test.each([
  ["pip", "--index-url=https://evil.test"],
  ["pip", "-r/etc/passwd"],
  ["pip", "pkg @ https://evil.test/pkg.whl"],
  ["pip", "git+https://evil.test/repo"],
  ["pip", "./local"],
  ["pip", "a\nb"],
  ["pip", "a b"],
  ["npm", "left-pad@npm:other"],
  ["npm", "left-pad@https://evil.test/x.tgz"],
  ["npm", "user/repo"],
  ["apt", "jq-"],
  ["apt", "jq/sid"],
  ["apt", "./jq.deb"],
  ["apt", "/tmp/jq.deb"],
  ["apt", "--allow-unauthenticated"],
  ["apt", "jq=1 -o x=y"],
  ["apt", "?installed"],
  ["apt", "~i"],
  ["apt", "JQ"],
  ["npm", "file:../x"],
  ["npm", "--registry=x"],
  ["npm", "@scope"],
] as const)("%s does not take %j: it would go round the list", (manager, spec) => {
  expect(() => parseWish(manager, spec)).toThrow(/Cannot read/);
});

test.each([
  ["pip", "ruamel"],
  ["pip", "ruamel-yam1"],
  ["npm", "node"],
  ["npm", "@type/node"],
  ["npm", "leftpad"],
] as const)("%s %s is another name", (manager, name) => {
  expect(isAllowed(list, manager, name)).toBe(false);
});

test("what is refused is named, with the rule", () => {
  const wishes = ["left-pad", "leftpad", "other"].map((name) => parseWish("npm", name));
  expect(() => requireAllowed(list, wishes)).toThrow(PackageNotAllowedError);
  expect(() => requireAllowed(list, wishes)).toThrow(/leftpad, other/);
  expect(() => requireAllowed({}, [parseWish("pip", "six")], "a dependency")).toThrow(/a dependency/);
});

test("names that pip takes for one have one spelling", () => {
  const part = fc.stringMatching(/^[A-Za-z0-9]{1,6}$/);
  const separator = fc.stringMatching(/^[-_.]{1,3}$/);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), separator, separator, (parts, one, other) => {
      expect(canonicalName("pip", parts.join(one))).toBe(canonicalName("pip", parts.join(other).toUpperCase()));
      expect(parseWish("pip", parts.join(one)).name).toBe(canonicalName("pip", parts.join("-")));
    }),
  );
});
