import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageBuildRecipe } from "@mvm/protocol";
import type { Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { operatorNetwork, type Outside, serveHttp } from "../support/outside.js";
import { root, text, useScene } from "../support/scene.js";

const scene = useScene();
const directory = mkdtempSync(join(tmpdir(), "mvm-flake-"));
let server: Outside;
/** Has Nix; and the daemon is there before a build is asked for. */
let maker: Sandbox;
const asked: string[] = [];

/**
 * No inputs. `sealed` and `opened` can be built by nobody who has no marker, and `needs` by nobody without a network: where they
 * come from nevertheless, a binary cache has given them.
 */
const source = `{
  outputs = { self }: let
    system = "x86_64-linux";
    make = name: script: derivation { inherit name system; builder = "/bin/sh"; args = [ "-euc" script ]; };
    fetched = derivation {
      name = "fetched"; inherit system; builder = "builtin:fetchurl"; url = "http://nowhere.test/fetched";
      outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "from far away\\n";
      unpack = false; executable = false;
    };
    library = make "library-2.1" "mkdir -p $out/share; echo of the library >$out/share/text";
    shell = "mkdir -p $out/bin; cp /bin/sh $out/bin/sh; for name in cat ls stat; do ln -s sh $out/bin/$name; done";
  in {
    packages.\${system} = {
      default = make "root-1.0" "\${shell}; mkdir $out/etc; echo of the root >$out/etc/word; ln -s \${library}/share/text $out/etc/text";
      archive = make "root.tar.gz" "mkdir tree; out=tree; \${shell}; tar -c -C tree . | gzip >\${placeholder "out"}";
      needs = make "needs" "\${shell}; cat \${fetched} >$out/far";
      sealed = make "sealed" "\${shell}; [ -e /marker ]; echo sealed >$out/word";
      opened = make "opened" "\${shell}; [ -e /marker ]; echo opened >$out/word";
      words = make "words" "echo no archive >$out";
      inherit fetched library;
      fails = make "fails" "echo going wrong; exit 3";
    };
  };
}
`;

beforeAll(async () => {
  server = await serveHttp(({ url = "" }, response) => {
    asked.push(url);
    try {
      response.writeHead(200).end(readFileSync(join(directory, "cache", url.replace(/\?.*/, ""))));
    } catch {
      response.writeHead(404).end();
    }
  });
  operatorNetwork(scene.home, { overrides: { "cache.test:80": `127.0.0.1:${server.port}` } });
  mkdirSync(join(directory, "app"));
  writeFileSync(join(directory, "app", "flake.nix"), source);
  maker = await scene.sandbox({ image: "builder" });
}, 400_000);
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Machines of the size the tests have a template for. */
const size = { memory_mb: 512 } as const;

async function build(attribute: string, more: object = {}, recipe: ImageBuildRecipe = {}) {
  const flake = { directory: join(directory, "app"), attribute, ...more };
  const lines = await scene.api.lines("POST", "/v1/images", { name: attribute, recipe: { flake, ...size, ...recipe } });
  const last = lines.at(-1)!;
  const phases = lines.filter(({ event }) => event === "progress").map((line): string => line["phase"]);
  return { phases, image: last["image"], cache: last["cache"], error: last["error"] };
}

it("a flake without inputs is built offline inside a machine, twice to one digest, and runs by the place it came from", async () => {
  const first = await build("default");
  expect(first.error).toBeUndefined();
  expect(first.phases).toEqual(expect.arrayContaining(["evaluate", "build", "pack", "receive", "check", "done"]));
  expect(first.image).toMatchObject({ origin: { reference: "nix:app#default", setuid: 0 } });
  const sandbox = await scene.sandbox({ image: "nix:./app#default" });
  expect(await text(sandbox, "cat /etc/word /etc/text; ls /nix/store | cat; stat -c %U /bin/sh")).toMatch(
    /^of the root\nof the library\n[0-9a-z]{32}-library-2\.1\nroot$/,
  );
  const record = JSON.parse(readFileSync(join(scene.home, "images", `${first.image.digest.slice(7)}.json`), "utf8"));
  expect(record.packages).toContainEqual({ name: "library", version: "2.1", arch: "x86_64", manager: "nix" });
  expect(await build("default")).toMatchObject({ image: { digest: first.image.digest }, cache: { hit: true } });
  const again = await build("default", {}, { cache: false });
  expect(again).toMatchObject({ image: { digest: first.image.digest }, cache: { hit: false } });
}, 400_000);

it("an output that is a compressed root file system becomes the image", async () => {
  const { image, error } = await build("archive");
  expect(error).toBeUndefined();
  const sandbox = await scene.sandbox({ image: image.digest });
  expect(await text(sandbox, "ls / | cat")).not.toContain("nix");
}, 200_000);

it.each([
  ["needs", "store_paths_missing", "-fetched from http://nowhere.test/fetched"],
  ["fails", "builder_failed", "going wrong"],
  ["nowhere", "no_such_attribute", "'packages.x86_64-linux.nowhere'"],
  ["words", "no_archive", "no tar of an image"],
])("%s: nothing is named, and the error says %s", async (attribute, reason, said) => {
  const { error } = await build(attribute);
  expect(error).toMatchObject({ name: "BuildError", context: { reason } });
  expect(error.message).toContain(said);
  expect(readdirSync(join(scene.home, "images", "refs"))).not.toContain(`${attribute}.json`);
  expect(readdirSync(join(scene.home, "tmp")).filter((name) => name.startsWith("build-"))).toEqual([]);
});

it("inputs from the network: refused with what they are and how to bring them, and nothing is asked of anybody", async () => {
  mkdirSync(join(directory, "far"));
  const flake = `{ inputs.far.url = "github:nobody/nothing"; outputs = { self, far }: { }; }`;
  writeFileSync(join(directory, "far", "flake.nix"), flake);
  const { error } = await build("default", { directory: join(directory, "far") });
  expect(error).toMatchObject({ name: "BuildError", context: { reason: "input_unavailable" } });
  expect(error.message).toContain("github:nobody/nothing");
});

it("binary caches: a folder that is signed, one over the network; without its key what it holds is not believed", async () => {
  await maker.files.write("/tmp/app/flake.nix", source);
  await maker.files.write("/tmp/fetched", "from far away\n");
  const script = `set -eu; touch /marker; cd /tmp
    export HOME=/root NIX_CONFIG='experimental-features = nix-command flakes
build-users-group =
extra-sandbox-paths = /bin/sh=/usr/bin/busybox /marker=/marker'
    nix-store --add-fixed sha256 fetched >/dev/null 2>&1
    nix key generate-secret --key-name test-1 >secret; nix key convert-secret-to-public <secret >public
    nix build --no-link path:/tmp/app#sealed path:/tmp/app#opened path:/tmp/app#fetched >log 2>&1 || { cat log; exit 1; }
    nix store sign -k secret --all 2>/dev/null; nix copy --to file:///tmp/cache --all 2>/dev/null
    cat public; tar -czf cache.tar.gz cache`;
  const key = (await maker.commands.run(["sh", "-c", script], { ...root, cwd: "/tmp" })).stdout.trim();
  expect(key).toMatch(/^test-1:/);
  writeFileSync(join(directory, "cache.tar.gz"), await maker.files.read("/tmp/cache.tar.gz", { format: "bytes" }));
  execFileSync("tar", ["-xzf", join(directory, "cache.tar.gz"), "-C", directory]);
  const folder = { substituters: [join(directory, "cache")] };
  const unsigned = await build("sealed", folder);
  expect(unsigned.error).toMatchObject({ name: "BuildError", context: { reason: "untrusted_cache" } });
  expect((await build("sealed", { ...folder, trusted_keys: [key] })).error).toBeUndefined();
  expect((await build("needs", folder)).error).toBeUndefined();
  expect(await text(await scene.sandbox({ image: "needs" }), "cat /far")).toBe("from far away");
  expect(asked).toEqual([]);
  const far = await build("opened", { substituters: ["http://cache.test/"], trusted_keys: [key] });
  expect(far.error).toBeUndefined();
  expect(asked).toContain("/nix-cache-info");
}, 400_000);
