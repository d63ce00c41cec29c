import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { isSandboxError } from "@mvm/protocol/errors";
import { afterEach, expect, test } from "vitest";
import {
  flakeName,
  isStorePath,
  packageOfStorePath,
  packFlake,
  parseFlake,
  parsePlace,
  parseReference,
} from "../src/index.js";

const made: string[] = [];
afterEach(() => made.splice(0).forEach((path) => rmSync(path, { recursive: true, force: true })));

test.each([
  ["nix:./app#web", { path: "./app", attribute: "web" }, "nix:app#web"],
  ["nix:.", { path: ".", attribute: "default" }, "nix:#default"],
  ["nix:/srv/my app#packages.x86_64-linux.a_b'", undefined, "nix:my app#packages.x86_64-linux.a_b'"],
])("%s names a flake", (text, place, name) => {
  const parsed = parseFlake(text)!;
  if (place !== undefined) expect(parsed).toEqual(place);
  expect(flakeName(parsed)).toBe(name);
});

test.each([
  "nix:",
  "nix:#web",
  "nix:app#",
  "nix:app#a^out",
  "nix:app#a b",
  "nix:app?dir=x#a",
  "nix:github:a/b#c",
  "nix:app#--eval",
])("%s is refused", (text) =>
  expect(() => parseFlake(text)).toThrow(expect.objectContaining({ name: "InvalidArgumentError" })),
);

test("what is no flake is left to the other places; a flake is an image that is known by its place", () => {
  expect(parseFlake("nix/flakes:latest")).toBeUndefined();
  expect(parseReference("nix:./app#web")).toEqual({ kind: "origin", origin: "nix:app#web", digest: null });
  expect(() => parsePlace("nix:./app#web")).toThrow(
    expect.objectContaining({ hint: expect.stringContaining("image build") }),
  );
});

test("no text makes it throw anything else", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((rest) => `nix:${rest}`),
      ),
      (text) => {
        try {
          parseFlake(text);
        } catch (error) {
          return isSandboxError(error);
        }
        return true;
      },
    ),
  );
});

const hash = "0123456789abcdfghijklmnpqrsvwxyz";
test.each([
  [`/nix/store/${hash}-hello-2.12.1`, "hello", "2.12.1"],
  [`/nix/store/${hash}-python3-3.11.9-env`, "python3", "3.11.9-env"],
  [`/nix/store/${hash}-gcc-lib-x-13`, "gcc-lib-x", "13"],
  [`/nix/store/${hash}-source`, "source", hash],
])("%s is a package", (path, name, version) => {
  expect(packageOfStorePath(path)).toEqual({ name, version, arch: "x86_64", manager: "nix" });
});

test.each([
  `/nix/store/${hash}`,
  `/nix/store/${hash}-a/b`,
  `/nix/store/../x-${hash}`,
  `/nix/store/${"e".repeat(32)}-a`,
  "/etc",
])("%s is no store path", (path) => {
  expect(isStorePath(path)).toBe(false);
  expect(packageOfStorePath(path)).toBeUndefined();
});

async function packed(prepare: (root: string) => void): Promise<{ sha256: string; listed: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), "mvm-flake-"));
  made.push(directory);
  const root = join(directory, "app");
  mkdirSync(root);
  writeFileSync(join(root, "flake.nix"), "{ outputs = { self }: { }; }");
  writeFileSync(join(root, "data"), "data");
  prepare(root);
  const place = { directory: join(directory, "work"), log: join(directory, "log") };
  const { archive, sha256 } = await packFlake(root, join(directory, "out.tar"), place);
  const listed = execFileSync("tar", ["-tf", archive], { encoding: "utf8" }).trim().split("\n");
  return { sha256, listed: listed.map((name) => name.replace(/^0\/dir\//, "")).filter((name) => name !== "") };
}

test("a flake is packed by its content: not by times, its history or links to results", async () => {
  const plain = await packed(() => undefined);
  expect(plain.listed).toEqual(["data", "flake.nix"]);
  const other = await packed((root) => {
    utimesSync(join(root, "data"), 1, 1);
    mkdirSync(join(root, ".git"));
    writeFileSync(join(root, ".git", "HEAD"), "ref");
    symlinkSync("/etc", join(root, "result"));
    symlinkSync("/etc", join(root, "result-doc"));
  });
  expect(other).toEqual(plain);
  const more = await packed((root) => symlinkSync("/etc/passwd", join(root, "link")));
  expect(more.listed).toEqual(["data", "flake.nix", "link"]);
  expect(more.sha256).not.toBe(plain.sha256);
});

test("a directory without flake.nix is refused", async () => {
  await expect(packed((root) => rmSync(join(root, "flake.nix")))).rejects.toThrow(
    expect.objectContaining({ name: "InvalidArgumentError", message: expect.stringContaining("flake.nix") }),
  );
});
