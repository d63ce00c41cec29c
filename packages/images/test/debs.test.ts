import { expect, test } from "vitest";
import { relationsOf } from "../src/packages/debs.js";

const shown = `Package: jq
Source: jq-source
Version: 1.7.1-6
Installed-Size: 120
Architecture: amd64
Depends: libjq1 (= 1.7.1-6), libc6 (>= 2.38)
Description: a processor
 Depends: not this line
Multi-Arch: foreign

Package: jq
Version: 1.6-2
Depends: libjq1 (= 1.6-2)

Package: lonely
Version: 1
`;

test("what packages need is kept version by version, with what apt tells versions apart by", () => {
  const found = relationsOf(shown);
  expect(found.get("jq 1.7.1-6")).toBe(
    "Multi-Arch: foreign\nInstalled-Size: 120\nDepends: libjq1 (= 1.7.1-6), libc6 (>= 2.38)\n",
  );
  expect(found.get("jq 1.6-2")).toBe("Depends: libjq1 (= 1.6-2)\n");
  expect(found.get("lonely 1")).toBe("");
  expect(found.get("lonely 2")).toBeUndefined();
  expect(relationsOf("")).toBeInstanceOf(Map);
});
