import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { envelopeText, openSigningKey, provenanceStatement, signStatement } from "@mvm/evidence";
import { type ImageRecord, openImageStore, originsOf } from "@mvm/images";
import { documentOf, run } from "./support/cli.js";
import { type Answer, events, failure, json, StandingDaemon } from "./support/standing-daemon.js";

let daemon: StandingDaemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});
const standing = async (answers: Record<string, Answer>) => (daemon = await StandingDaemon.start(answers)).home;
const image = (name: string, digit: string, more: object = {}) => ({
  ...{ name, digest: `sha256:${digit.repeat(64)}`, size_bytes: 4096, created_at: null, kernel: null, agent: null },
  ...{ templates: [], ...more },
});

test("image ls leaves out what a later build of the same name has superseded, unless all are asked for", async () => {
  const images = [image("python", "a"), image("python", "b", { superseded: true }), image("node", "c")];
  const home = await standing({ "GET /v1/images": json({ images }) });
  const listed = async (...more: string[]) =>
    (documentOf(await run(["image", "ls", "--json", ...more], { home }))["images"] as typeof images).map(
      ({ digest }) => digest[7],
    );
  expect(await listed()).toEqual(["a", "c"]);
  expect(await listed("--all")).toEqual(["a", "b", "c"]);
  const shown = (await run(["image", "ls"], { home })).stdout.toString();
  expect([shown.includes("aaaa"), shown.includes("bbbb")]).toEqual([true, false]);
});

test("a root file system on stdin is handed over as a private file, which is gone afterwards however that ends", async () => {
  const tar = Buffer.alloc(300_000, "tar ");
  const seen: { path: string; mode: number; content: Buffer }[] = [];
  const taking =
    (answer: Answer): Answer =>
    async (request, response) => {
      const { place } = JSON.parse((await request.body()).toString()) as { place: string };
      const path = place.slice("rootfs:".length);
      seen.push({ path, mode: statSync(path).mode & 0o777, content: readFileSync(path) });
      await answer(request, response);
    };
  const built = { event: "built", image: image("app", "a") };
  for (const [answer, code] of [
    [events(built), 0],
    [failure("BuildError", "BUILD_FAILED", 500), 70],
    [events(), 70],
  ] as const) {
    const home = await standing({ "POST /v1/images/pull": taking(answer) });
    const ran = await run(["image", "pull", "rootfs:-", "--tag", "app"], { home, stdin: tar });
    expect(ran.code === 0, ran.stderr).toBe(code === 0);
    const { path, mode, content } = seen.at(-1)!;
    expect([mode, content.equals(tar), existsSync(path)]).toEqual([0o600, true, false]);
    await daemon?.stop();
  }
  expect(new Set(seen.map(({ path }) => path)).size).toBe(3);
});

test("folders and archives are named as the daemon finds them, wherever the command runs", async () => {
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), "mvmctl-")));
  mkdirSync(join(cwd, "root:with colon"));
  writeFileSync(join(cwd, "app.tar"), "");
  let place = "";
  const home = await standing({
    "POST /v1/images/pull": async (request, response) => {
      place = (JSON.parse((await request.body()).toString()) as { place: string }).place;
      await events({ event: "built", image: image("app", "a") })(request, response);
    },
  });
  for (const [given, wanted] of [
    ["rootfs:root:with colon", `rootfs:${cwd}/root:with colon`],
    ["rootfs:../x", `rootfs:${join(cwd, "../x")}`],
    ["docker-archive:app.tar:app:1", `docker-archive:${cwd}/app.tar:app:1`],
    ["oci:folder", `oci:${cwd}/folder`],
    ["alpine:3", "alpine:3"],
  ] as const) {
    expect((await run(["image", "pull", given], { home, cwd })).code).toBe(0);
    expect(place).toBe(wanted);
  }
});

test("a flake and the folders of its binary caches are named as the daemon finds them, and the image after what is built", async () => {
  const cwd = realpathSync(mkdtempSync(join(tmpdir(), "mvmctl-")));
  let request: { name: string; recipe: { flake: object } } | undefined;
  const home = await standing({
    "POST /v1/images": async (received, response) => {
      request = JSON.parse((await received.body()).toString()) as typeof request;
      await events({ event: "built", image: image("app", "a") })(received, response);
    },
  });
  const key = `k-1:${"A".repeat(43)}=`;
  for (const [args, name, flake] of [
    [["nix:."], basename(cwd).toLowerCase(), { directory: cwd, attribute: "default" }],
    [
      ["nix:./App#packages.x86_64-linux.Web"],
      "web",
      { directory: `${cwd}/App`, attribute: "packages.x86_64-linux.Web" },
    ],
    [
      [
        "nix:/srv/x#a",
        "--tag",
        "mine",
        "--substituter",
        "file://cache",
        "--substituter",
        "https://c.test/",
        "--trusted-key",
        key,
      ],
      "mine",
      {
        ...{ directory: "/srv/x", attribute: "a" },
        ...{ substituters: [`${cwd}/cache`, "https://c.test/"], trusted_keys: [key] },
      },
    ],
  ] as const) {
    const ran = await run(["image", "build", ...args], { home, cwd });
    expect(ran.code, ran.stderr.toString()).toBe(0);
    expect(request).toEqual({ name, recipe: { flake } });
  }
  for (const args of [
    ["nix:.", "--from", "python"],
    ["nix:.", "--pip", "x"],
    ["nix:.#a^b"],
    ["python", "--trusted-key", key],
    ["-f", "Dockerfile", ".", "--tag", "x", "--substituter", "https://c.test/"],
  ]) {
    expect((await run(["image", "build", ...args], { home, cwd })).code).toBe(64);
  }
});

/** A state root with an image and the signed statement about it, and no daemon. */
async function stated(content: string, name = "app"): Promise<{ home: string; digest: string; file: string }> {
  const home = mkdtempSync(join(tmpdir(), "mvmctl-"));
  mkdirSync(join(home, "images", "refs"), { recursive: true });
  const hex = createHash("sha256").update(content).digest("hex");
  const digest = `sha256:${hex}`;
  const file = join(home, "images", `${hex}.erofs`);
  writeFileSync(file, content);
  const record = {
    ...{ schema_version: 1, name, digest, size: content.length, created_at: "2026-01-01T00:00:00Z", suite: "trixie" },
    ...{ architecture: "amd64", packages: [], sources: [] },
  } as ImageRecord;
  const store = openImageStore(home);
  await store.register(record);
  const key = openSigningKey(join(home, "keys"), "receipt");
  const facts = { ...originsOf(record), internal: {}, version: "1" };
  await store.keepProvenance(digest, envelopeText(signStatement(provenanceStatement(facts), key)));
  return { home, digest, file };
}

test("image verify: what was signed of an image, without a daemon; and each way in which it is not that", async () => {
  const { home, digest, file } = await stated("an image");
  const verified = async (...more: string[]): Promise<unknown> => {
    const ran = await run(["image", "verify", "app", "--json", ...more], { home });
    const document = documentOf(ran) as { ok: boolean; reason?: string };
    expect(ran.code).toBe(document.ok ? 0 : 65);
    return document.ok ? document : document.reason;
  };
  expect(await verified()).toMatchObject({ image: digest, build_type: "https://mvm.dev/image/catalogue/v1" });
  const key = join(home, "keys", "receipt.pub");
  expect(await verified("--key", key)).toMatchObject({ ok: true });

  const other = await stated("another image");
  expect(await verified("--key", join(other.home, "keys", "receipt.pub"))).toBe("unknown_key");

  const statement = file.replace(/erofs$/, "provenance.json");
  const text = readFileSync(statement, "utf8");
  cpSync(other.file.replace(/erofs$/, "provenance.json"), statement);
  expect(await verified("--key", join(other.home, "keys", "receipt.pub"))).toBe("image_mismatch");
  writeFileSync(statement, text.replace(/"sig":"./, '"sig":"!'));
  expect(await verified()).toBe("malformed");
  writeFileSync(statement, text);

  const record = file.replace(/erofs$/, "json");
  const recorded = readFileSync(record, "utf8");
  const added = [{ name: "evil", version: "1", arch: "all" }];
  writeFileSync(record, JSON.stringify({ ...(JSON.parse(recorded) as object), packages: added }));
  expect(await verified()).toBe("sbom_mismatch");
  writeFileSync(record, recorded);

  writeFileSync(file, "an imagE");
  expect(await verified()).toBe("image_mismatch");
  expect((await run(["image", "verify", "none"], { home })).code).toBe(69);
});
