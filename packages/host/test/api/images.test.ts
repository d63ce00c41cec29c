import { createHash, createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyProvenance } from "@mvm/evidence";
import { type ImageRecord, openImageStore } from "@mvm/images";
import { expect, test } from "vitest";
import { openImages } from "../../src/images/image-access.js";
import { Meters } from "../../src/observe/meters.js";
import { temporaryHome, testDaemon } from "../fixture/daemon.js";

async function addImage(home: string, name: string, content: string): Promise<string> {
  const hex = createHash("sha256").update(content).digest("hex");
  mkdirSync(join(home, "images", "refs"), { recursive: true });
  writeFileSync(join(home, "images", `${hex}.erofs`), content);
  const digest = `sha256:${hex}`;
  const made = { created_at: new Date().toISOString(), suite: "", architecture: "amd64", packages: [], sources: [] };
  await openImageStore(home).register({
    schema_version: 1,
    name,
    digest,
    size: content.length,
    ...made,
  } as ImageRecord);
  return digest;
}

test("an image is superseded when its name stands for another and none leads to it", async () => {
  const home = temporaryHome();
  const { api } = await testDaemon({ home, options: { images: openImages(home, new Meters()) } });
  const first = await addImage(home, "app", "first");
  const only = await addImage(home, "tool", "only");
  const superseded = async (): Promise<unknown> =>
    Object.fromEntries(
      ((await api.json("GET", "/v1/images")).body.images as { digest: string; superseded?: true }[]).map(
        ({ digest, superseded: is }) => [digest, is ?? false],
      ),
    );
  expect(await superseded()).toEqual({ [first]: false, [only]: false });
  const second = await addImage(home, "app", "second");
  expect(await superseded()).toEqual({ [first]: true, [second]: false, [only]: false });
  expect((await api.json("GET", `/v1/images/${encodeURIComponent(first)}`)).body).toMatchObject({ superseded: true });
  expect((await api.json("GET", "/v1/images/app")).body.superseded).toBeUndefined();
  // Another name that leads to it keeps it from being one; so does the removal of what took its place.
  await openImageStore(home).point("old", first);
  expect(await superseded()).toMatchObject({ [first]: false });
  await openImageStore(home).point("old", only);
  expect((await api.json("DELETE", "/v1/images/app")).status).toBe(200);
  expect(await superseded()).toEqual({ [first]: false, [only]: false });
});

test("the bill of materials of an image names that image, and of none there is none", async () => {
  const home = temporaryHome();
  const { api } = await testDaemon({ home, options: { images: openImages(home, new Meters()) } });
  const digest = await addImage(home, "app", "first");
  const { status, body } = await api.json("GET", "/v1/images/app/sbom");
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({
    bomFormat: "CycloneDX",
    metadata: { component: { name: "app", version: digest } },
  });
  expect((await api.json("GET", "/v1/images/none/sbom")).body.error.code).toBe("ASSET_NOT_FOUND");
});

test("an image without a statement of its origin gets one from its record, once, and loses it with itself", async () => {
  const home = temporaryHome();
  const { api } = await testDaemon({ home, options: { images: openImages(home, new Meters()) } });
  const digest = await addImage(home, "app", "first");
  const asked = async (): Promise<string> => (await api.json("GET", "/v1/images/app/provenance")).body;
  const text = await asked();
  const key = createPublicKey(readFileSync(join(home, "keys", "receipt.pub")));
  const at = { sha256: digest.slice(7), sbomSha256: undefined };
  expect(verifyProvenance(Buffer.from(text), [key], at)).toMatchObject({
    ok: true,
    statement: { predicate: { buildDefinition: { internalParameters: { signed: "from_the_record" } } } },
  });
  const file = join(home, "images", `${digest.slice(7)}.provenance.json`);
  expect(readFileSync(file, "utf8")).toBe(text);
  expect(await asked()).toBe(text);
  expect((await api.json("GET", "/v1/images")).body.images).toHaveLength(1);
  expect((await api.json("DELETE", "/v1/images/app")).status).toBe(200);
  expect(existsSync(file)).toBe(false);
  expect((await api.json("GET", "/v1/images/app/provenance")).body.error.code).toBe("ASSET_NOT_FOUND");
});

test("nothing is signed of an image whose bytes are not the recorded ones", async () => {
  const home = temporaryHome();
  const { api } = await testDaemon({ home, options: { images: openImages(home, new Meters()) } });
  const digest = await addImage(home, "app", "first");
  writeFileSync(join(home, "images", `${digest.slice(7)}.erofs`), "other");
  expect((await api.json("GET", "/v1/images/app/provenance")).body.error.code).toBe("ASSET_CHECKSUM_MISMATCH");
  expect(existsSync(join(home, "images", `${digest.slice(7)}.provenance.json`))).toBe(false);
});
