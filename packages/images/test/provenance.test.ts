import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { ImageRecord } from "../src/manifest.js";
import { originsOf } from "../src/provenance.js";
import { sbomText } from "../src/sbom.js";

const hex = (digits: string): string => digits.repeat(32);
const record: ImageRecord = {
  ...{ schema_version: 1, name: "app", digest: `sha256:${hex("ab")}`, size: 1, created_at: "2026-01-01T00:00:00Z" },
  ...{ suite: "trixie", architecture: "amd64", packages: [] },
  sources: [{ uri: "https://deb.example/debian", suite: "trixie", component: "main" }],
};
const build = { base: `sha256:${hex("01")}`, recipe: hex("02"), steps: [{ text: "RUN make", sha256: hex("03") }] };
const origin = {
  ...{ reference: "registry.example/app:1", digest: `sha256:${hex("04")}`, manifest_digest: `sha256:${hex("04")}` },
  ...{ config_digest: `sha256:${hex("05")}`, devices_dropped: 0, xattrs_dropped: 0, setuid: 0, capabilities: 0 },
  layers: [{ digest: `sha256:${hex("06")}`, diff_id: `sha256:${hex("07")}`, size: 1 }],
};

test("an image of the catalogue names the archives it is made of", () => {
  expect(originsOf(record)).toEqual({
    ...{ name: "app", sha256: hex("ab"), finishedAt: "2026-01-01T00:00:00Z", kind: "catalogue" },
    sbom: expect.objectContaining({ sha256: createHash("sha256").update(sbomText(record)).digest("hex") }),
    parameters: { name: "app", suite: "trixie" },
    dependencies: [{ uri: "https://deb.example/debian trixie main" }],
  });
});

test("a built one names what it started from and each step; one of a flake says that it is", () => {
  const built = {
    kind: "build",
    parameters: { recipe: hex("02"), steps: [{ text: "RUN make", digest: { sha256: hex("03") } }] },
    dependencies: [{ uri: "mvm:image", digest: { sha256: hex("01") } }],
  };
  expect(originsOf({ ...record, build })).toMatchObject(built);
  const sources = [build.base, `sha256:${hex("09")}`];
  const dependencies = ["01", "09"].map((digits) => ({ uri: "mvm:image", digest: { sha256: hex(digits) } }));
  expect(originsOf({ ...record, build: { ...build, sources } })).toMatchObject({ dependencies });
  const flake = { ...origin, reference: "nix:app#default" };
  expect(originsOf({ ...record, build, origin: flake })).toMatchObject({ ...built, kind: "flake" });
});

test("a pulled one names everything by digest, once", () => {
  expect(originsOf({ ...record, origin })).toMatchObject({
    kind: "pull",
    parameters: { reference: "registry.example/app:1" },
    dependencies: ["04", "05", "06"].map((digits) => ({
      uri: "registry.example/app:1",
      digest: { sha256: hex(digits) },
    })),
  });
});

test("one that had to be signed says by whom it was", () => {
  const by = { key: null, identity: "release@example.com", issuer: "https://token.example.com" };
  const signature = { digest: origin.digest, found: "sha256-04.sig", ...by };
  expect(originsOf({ ...record, origin: { ...origin, signature } }).parameters).toEqual({
    reference: "registry.example/app:1",
    signature,
  });
});
