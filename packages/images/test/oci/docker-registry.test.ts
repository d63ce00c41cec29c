import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import {
  type DockerRegistry,
  login,
  ociIndex,
  ociManifest,
  startDockerRegistry,
} from "../../../../tests/support/docker-registry.js";
import { pullImage, type PullOptions } from "../../src/oci/pull.js";
import { openImageStore } from "../../src/store.js";
import { makeImage, type MadeImage, sha256, tar } from "./make-image.js";

const layer = (text: string): Buffer =>
  tar([
    { path: "bin/", type: "5", mode: 0o755 },
    { path: "bin/tool", body: text, mode: 0o755 },
  ]);
const made = makeImage([layer("first"), layer("second")], { Entrypoint: ["/bin/tool"] });
const forArm = makeImage([layer("other")], {}, "arm64");

let open: DockerRegistry;
let locked: DockerRegistry;
let home: string;

beforeAll(async () => {
  [open, locked] = await Promise.all([startDockerRegistry(), startDockerRegistry({ locked: true })]);
  await open.push("team/tool", "1.0", made);
  await locked.push("team/tool", "1.0", made);
});
afterAll(async () => {
  await Promise.all([open.stop(), locked.stop()]);
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mvm-docker-registry-test-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const pull = (place: string, options: Partial<PullOptions> = {}) => pullImage({ home, place, ...options });

/** An index of images, one a platform. */
function indexOf(...images: readonly [architecture: string, image: MadeImage][]): Buffer {
  const manifests = images.map(([architecture, { manifest, manifestDigest }]) => ({
    ...{ mediaType: ociManifest, digest: manifestDigest, size: manifest.length },
    platform: { os: "linux", architecture },
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
}

it("docker-registry: an image is pulled by its tag, and by the digest that the tag was resolved to", async () => {
  const byTag = await pull(`${open.host}/team/tool:1.0`);
  expect(byTag.record.origin).toMatchObject({
    reference: `${open.host}/team/tool:1.0`,
    digest: made.manifestDigest,
    manifest_digest: made.manifestDigest,
    config_digest: sha256(made.config),
    layers: made.layers.map((bytes) => ({ digest: sha256(bytes), size: bytes.length })),
  });
  const byDigest = await pull(`${open.host}/team/tool@${made.manifestDigest}`, { name: "pinned", requireDigest: true });
  expect(byDigest.record.digest).toBe(byTag.record.digest);
  expect(byDigest.record.origin?.reference).toBe(`${open.host}/team/tool`);
  // A tag that has moved since is another image; the digest still names the first.
  const moved = makeImage([layer("third")]);
  await open.push("team/tool", "moving", made);
  const before = await pull(`${open.host}/team/tool:moving`);
  await open.push("team/tool", "moving", moved);
  const after = await pull(`${open.host}/team/tool:moving`);
  expect([before.record.origin?.digest, after.record.origin?.digest]).toEqual([
    made.manifestDigest,
    moved.manifestDigest,
  ]);
  await expect(pull(`${open.host}/team/tool:moving`, { digest: made.manifestDigest })).resolves.toMatchObject({
    record: { digest: byTag.record.digest },
  });
});

it("docker-registry: of an index the image for linux/amd64 is taken, and an index without one is refused", async () => {
  await open.push("team/both", "amd", made);
  await open.push("team/both", "arm", forArm);
  const both = indexOf(["arm64", forArm], ["amd64", made]);
  const digest = await open.pushManifest("team/both", "1.0", both);
  const { record } = await pull(`${open.host}/team/both:1.0`);
  expect(record.origin).toMatchObject({ digest, manifest_digest: made.manifestDigest });
  expect((await pull(`${open.host}/team/both@${digest}`)).record.digest).toBe(record.digest);

  await open.pushManifest("team/both", "arm-only", indexOf(["arm64", forArm]));
  for (const tag of ["arm-only", "arm"]) {
    await expect(pull(`${open.host}/team/both:${tag}`)).rejects.toMatchObject({
      code: "ASSET_NOT_FOUND",
      message: expect.stringContaining("linux/arm64, not for linux/amd64") as string,
    });
  }
});

it("docker-registry: what is not there is not found, whichever part of its name is wrong", async () => {
  for (const place of ["team/tool:2.0", "team/none:1.0", `team/tool@sha256:${"0".repeat(64)}`]) {
    await expect(pull(`${open.host}/${place}`), place).rejects.toMatchObject({ code: "ASSET_NOT_FOUND" });
  }
  expect(await openImageStore(home).list()).toEqual([]);
});

it("docker-registry: behind a password, an image comes with the right one alone", async () => {
  const place = `${locked.host}/team/tool:1.0`;
  const [user = "", ...rest] = login.split(":");
  const credentials = { user, password: rest.join(":") };
  expect((await pull(place, { credentials })).record.origin?.digest).toBe(made.manifestDigest);
  for (const wrong of [undefined, { user, password: "guessed-word" }, { user: "bob", password: "guessed-word" }]) {
    const refused = await pull(place, { credentials: wrong }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "ASSET_DOWNLOAD_FAILED",
      message: expect.stringContaining("the registry refuses access") as string,
      hint: expect.stringContaining(wrong === undefined ? "--credentials" : "Check the stored secret") as string,
    });
    expect(JSON.stringify(refused)).not.toContain("guessed-word");
  }
});
