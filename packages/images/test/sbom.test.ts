import { expect, test } from "vitest";
import type { ImageRecord } from "../src/manifest.js";
import { sbomOf } from "../src/sbom.js";

const digest = `sha256:${"ab".repeat(32)}`;
const record: ImageRecord = {
  ...{ schema_version: 1, name: "python", digest, size: 1, created_at: "2026-01-01T00:00:00Z" },
  ...{ suite: "trixie", architecture: "amd64" },
  packages: [
    { name: "zlib1g", version: "1:1.3.dfsg+really1.3.1-1+b1", arch: "amd64" },
    { name: "adduser", version: "3.152", arch: "all" },
    { name: "Flask_Login", version: "0.6.3", arch: "", manager: "pip" },
    { name: "@scope/left-pad", version: "1.3.0", arch: "", manager: "npm" },
  ],
  sources: [{ uri: "https://deb.example/debian", suite: "trixie", component: "main" }],
};

interface Sbom {
  readonly components: { readonly name: string; readonly purl: string }[];
  readonly compositions: { readonly aggregate: string }[];
  readonly metadata: { readonly component: { readonly hashes: object[]; readonly properties: object[] } };
}
const sbom = (more: Partial<ImageRecord> = {}): Sbom => sbomOf({ ...record, ...more }) as Sbom;

test("every package is a component with a package URL of its kind, in one order", () => {
  expect(sbom().components.map(({ purl }) => purl)).toEqual([
    "pkg:deb/debian/adduser@3.152?arch=all&distro=trixie",
    "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64&distro=trixie",
    "pkg:npm/%40scope/left-pad@1.3.0",
    "pkg:pypi/flask-login@0.6.3",
  ]);
});

test("the same image has the same bytes, whenever it was made and in whatever order it was listed", () => {
  const other = sbom({ created_at: "2027-01-01T00:00:00Z", packages: record.packages.toReversed() });
  expect(JSON.stringify(other)).toBe(JSON.stringify(sbom()));
  expect(sbom().metadata.component.hashes).toEqual([{ alg: "SHA-256", content: "ab".repeat(32) }]);
});

test("it says how complete it is: all of a Debian image, not of one that was built on, unknown of one from elsewhere", () => {
  const aggregate = (more?: Partial<ImageRecord>): string | undefined => sbom(more).compositions[0]?.aggregate;
  expect(aggregate()).toBe("complete");
  expect(aggregate({ build: { base: digest, recipe: "cd".repeat(32), steps: [] } })).toBe("incomplete");
  const origin = { reference: "registry.example/a:1", digest, manifest_digest: null, config_digest: null, layers: [] };
  const counts = { devices_dropped: 0, xattrs_dropped: 0, setuid: 0, capabilities: 0 };
  const pulled = { origin: { ...origin, ...counts }, packages: [] };
  expect(aggregate(pulled)).toBe("unknown");
  expect(sbom(pulled).metadata.component.properties).toContainEqual({ name: "mvm:origin", value: origin.reference });
});
