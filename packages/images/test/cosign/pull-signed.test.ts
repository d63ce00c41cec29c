import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type DockerRegistry,
  ociIndex,
  ociManifest,
  startDockerRegistry,
} from "../../../../tests/support/docker-registry.js";
import type { ImageTrust } from "../../src/cosign/trust.js";
import { pullImage, type PullOptions } from "../../src/oci/pull.js";
import { openImageStore } from "../../src/store.js";
import { LoopbackRegistry } from "../oci/loopback-registry.js";
import { makeImage, sha256, tar } from "../oci/make-image.js";
import { issuer, type MockSigstore, mockSigstore } from "../release/mock-sigstore.js";
import {
  type Artifact,
  bundleReferrer,
  bundleWithKey,
  cosignKey,
  referrerList,
  signedWithKey,
  simplePayload,
  simpleSignatures,
  statement,
} from "./sign-image.js";

const made = makeImage([tar([{ path: "bin/tool", body: "signed", mode: 0o755 }])]);
const other = makeImage([tar([{ path: "bin/tool", body: "another", mode: 0o755 }])]);
const digest = made.manifestDigest;
const ours = cosignKey();
const theirs = cosignKey();
const keys: ImageTrust = { keys: [ours.trusted], identities: [] };
const tagOf = (of: string): string => of.replace(":", "-");

/** Any registry that artifacts can be put into. */
interface Shelf {
  readonly host: string;
  put(tag: string, artifact: Artifact): Promise<unknown>;
  /** Lists what refers to the digest, wherever this registry keeps such lists. */
  refer(of: string, ...referrers: readonly Artifact[]): Promise<unknown>;
}

let real: DockerRegistry;
let loopback: LoopbackRegistry;
let sigstore: MockSigstore;
let home: string;

beforeAll(async () => {
  [real, sigstore] = await Promise.all([startDockerRegistry(), mockSigstore()]);
});
afterAll(() => real.stop());
beforeEach(async () => {
  loopback = await LoopbackRegistry.start();
  home = mkdtempSync(join(tmpdir(), "mvm-signed-"));
});
afterEach(() => {
  loopback.stop();
  expect(readdirSync(join(home, "tmp")).filter((name) => name.startsWith("build-"))).toEqual([]);
  rmSync(home, { recursive: true, force: true });
});

/** Debian's registry, which has no referrers API: a list lies under a tag. */
const dockerRegistry = (): Shelf => ({
  host: real.host,
  put: (tag, artifact) => real.push("team/tool", tag, artifact),
  refer: async (of, ...referrers) => {
    for (const one of referrers) await real.push("team/tool", sha256(one.manifest), one);
    await real.pushManifest("team/tool", tagOf(of), referrerList(...referrers));
  },
});

/** A registry with the referrers API. */
const withReferrers = (): Shelf => {
  const put = (tag: string | undefined, { config, layers, manifest }: Artifact): Promise<void> => {
    for (const bytes of [config, ...layers]) loopback.keepBlob(bytes);
    loopback.keepManifest(manifest, tag);
    return Promise.resolve();
  };
  loopback.referrers ??= new Map();
  return {
    ...{ host: loopback.host, put },
    refer: async (of, ...referrers) => {
      for (const one of referrers) await put(undefined, one);
      loopback.referrers?.set(of, referrerList(...referrers));
    },
  };
};

const pull = (shelf: Shelf, options: Partial<PullOptions> = {}) =>
  pullImage({ home, place: `${shelf.host}/team/tool:1.0`, trust: keys, ...options });
const refused = (message: string) => ({
  code: "ASSET_CHECKSUM_MISMATCH",
  message: expect.stringContaining(message) as string,
  hint: expect.stringContaining("nothing of the image was used") as string,
});

describe.each([
  ["docker-registry", dockerRegistry],
  ["a registry with referrers", withReferrers],
])("%s", (_name, open) => {
  let shelf: Shelf;
  beforeEach(async () => {
    shelf = open();
    // Signatures that an earlier test has left are replaced by nothing that counts.
    await shelf.refer(digest);
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures());
    await shelf.put("1.0", made);
  });

  it("an image that a trusted key has signed is pulled, in either form, and its record says so", async () => {
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures(signedWithKey(ours.secret, digest)));
    const signature = { digest, key: ours.trusted.id, identity: null, issuer: null };
    const old = await pull(shelf);
    expect(old.record.origin?.signature).toEqual({ ...signature, found: `${tagOf(digest)}.sig` });
    const referrer = bundleReferrer(digest, bundleWithKey(ours.secret, statement(digest)));
    await shelf.refer(digest, referrer);
    const recent = await pull(shelf);
    expect(recent.record.origin?.signature).toEqual({ ...signature, found: `referrer ${sha256(referrer.manifest)}` });
    expect((await openImageStore(home).inspect("tool")).origin?.signature).toEqual(recent.record.origin?.signature);
  });

  it("an image that nobody has signed is refused, though it would be taken where no signature is asked for", async () => {
    await expect(pull(shelf)).rejects.toMatchObject(refused("it is not signed"));
    expect(await openImageStore(home).list()).toEqual([]);
    expect((await pull(shelf, { trust: undefined })).record.origin).not.toHaveProperty("signature");
    // That it is here already changes nothing.
    await expect(pull(shelf)).rejects.toMatchObject(refused("it is not signed"));
  });

  it("a signature by another key is refused, in either form", async () => {
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures(signedWithKey(theirs.secret, digest)));
    await shelf.refer(digest, bundleReferrer(digest, bundleWithKey(theirs.secret, statement(digest))));
    const error = (await pull(shelf).catch((thrown: unknown) => thrown)) as Error & { hint: string };
    expect(error).toMatchObject(refused("no signature of it counts: referrer sha256:"));
    expect(error.message.match(/it is by none of those who are trusted/g)).toHaveLength(2);
    expect(error.hint).toContain(`a signature by key ${ours.trusted.id};`);
  });

  it("a signature of another image that lies where this one's should is refused, in either form", async () => {
    const signed = signedWithKey(ours.secret, other.manifestDigest);
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures(signed));
    await expect(pull(shelf)).rejects.toMatchObject(refused(`it signs ${other.manifestDigest}`));
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures());
    await shelf.refer(digest, bundleReferrer(digest, bundleWithKey(ours.secret, statement(other.manifestDigest))));
    await expect(pull(shelf)).rejects.toMatchObject(refused(`it signs ${other.manifestDigest}`));
  });

  it("what a trusted key has signed is a signature only when it says so", async () => {
    const provenance = bundleWithKey(ours.secret, statement(digest, "https://slsa.dev/provenance/v1"));
    await shelf.refer(digest, bundleReferrer(digest, provenance));
    await expect(pull(shelf)).rejects.toMatchObject(refused("a statement of type https://slsa.dev/provenance/v1"));
    const atomic = simplePayload(digest, "atomic container signature");
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures(signedWithKey(ours.secret, digest, atomic)));
    await expect(pull(shelf)).rejects.toMatchObject(refused("it signs something else than an image"));
  });

  it("one signature that counts is enough, whatever lies beside it", async () => {
    const bad = signedWithKey(theirs.secret, digest);
    const good = signedWithKey(ours.secret, digest);
    await shelf.refer(
      digest,
      bundleReferrer(digest, Buffer.from("no JSON")),
      bundleReferrer(digest, bundleWithKey(ours.secret, statement(other.manifestDigest))),
      bundleReferrer(digest, { dsseEnvelope: { payload: "e30=", payloadType: "", signatures: [null, { sig: 7 }] } }),
      bundleReferrer(digest, Buffer.alloc(300_000, " ")),
    );
    await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures({ ...bad, annotations: {} }, bad, good));
    expect((await pull(shelf)).record.origin?.signature?.key).toBe(ours.trusted.id);
  });

  it("a keyless signature counts by its identity and issuer to the letter, in either form", async () => {
    const subject = "https://example.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
    const { trustedRoot } = sigstore;
    const by = { identity: subject, issuer, trustedRoot };
    const payload = simplePayload(digest);
    const forms: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      [
        `${tagOf(digest)}.sig`,
        async () => {
          const { annotations } = await sigstore.signFile(payload, subject);
          await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures({ payload, annotations }));
        },
        () => shelf.put(`${tagOf(digest)}.sig`, simpleSignatures()),
      ],
      [
        "referrer sha256:",
        async () => {
          const bundle = await sigstore.signStatement(statement(digest), subject);
          await shelf.refer(digest, bundleReferrer(digest, bundle));
        },
        () => shelf.refer(digest),
      ],
    ];
    for (const [found, put, remove] of forms) {
      await put();
      const trusting = (change: object): Partial<PullOptions> => ({
        trust: { keys: [theirs.trusted], identities: [{ ...by, ...change }] },
      });
      const { record } = await pull(shelf, trusting({}));
      expect(record.origin?.signature).toMatchObject({ digest, key: null, identity: subject, issuer });
      expect(record.origin?.signature?.found).toContain(found);
      const tags = subject.slice(0, -"v1".length);
      await pull(shelf, trusting({ identity: tags, isPrefix: true }));
      for (const wrong of [
        { identity: tags },
        { identity: subject.replace("example.com", "exampleXcom") },
        { identity: subject.replace("acme", "acme-evil") },
        { identity: "acme", isPrefix: true },
        { issuer: "https://other.example.com" },
        { trustedRoot: (await mockSigstore()).trustedRoot },
      ]) {
        await expect(pull(shelf, trusting(wrong)), JSON.stringify(wrong)).rejects.toMatchObject(refused("counts"));
      }
      // A key says nothing about identities.
      await expect(pull(shelf)).rejects.toMatchObject(refused("it is by none of those who are trusted"));
      await remove();
    }
  });
});

it("an index is signed as an index: its image's own signature is another's", async () => {
  const shelf = withReferrers();
  const entry = { mediaType: ociManifest, digest, size: made.manifest.length };
  const platform = { os: "linux", architecture: "amd64" };
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...entry, platform }] }),
  );
  loopback.keep(made);
  loopback.keepManifest(index, "1.0");
  await shelf.refer(digest, bundleReferrer(digest, bundleWithKey(ours.secret, statement(digest))));
  await expect(pull(shelf)).rejects.toMatchObject(refused(`@${sha256(index)}: it is not signed`));
  const place = `${loopback.host}/team/tool@${digest}`;
  expect((await pull(shelf, { place })).record.origin?.signature?.digest).toBe(digest);
  const signed = bundleWithKey(ours.secret, statement(sha256(index)));
  await shelf.refer(sha256(index), bundleReferrer(sha256(index), signed));
  expect((await pull(shelf)).record.origin).toMatchObject({
    ...{ digest: sha256(index), manifest_digest: digest },
    signature: { digest: sha256(index), key: ours.trusted.id },
  });
});

it("nothing of an image is asked for before its signature counts", async () => {
  const shelf = withReferrers();
  loopback.keep(made);
  await shelf.put(`${tagOf(digest)}.sig`, simpleSignatures(signedWithKey(theirs.secret, digest)));
  await expect(pull(shelf)).rejects.toMatchObject(refused("counts"));
  expect(loopback.asked.filter((path) => path.endsWith(sha256(made.config)))).toEqual([]);
  expect(loopback.asked.filter((path) => made.layers.some((layer) => path.endsWith(sha256(layer))))).toEqual([]);
});

it("other bytes than a signature's digest names count for nothing, and a registry that fails is not unsigned", async () => {
  const shelf = withReferrers();
  loopback.keep(made);
  const signature = simpleSignatures(signedWithKey(ours.secret, digest));
  await shelf.put(`${tagOf(digest)}.sig`, signature);
  loopback.blobs.set(sha256(signature.layers[0]!), Buffer.from("other bytes"));
  await expect(pull(shelf)).rejects.toMatchObject(refused("its digest is"));
  loopback.blobs.delete(sha256(signature.layers[0]!));
  await expect(pull(shelf)).rejects.toMatchObject(refused("Cannot find"));
  loopback.fault = ({ url }, response, serve) =>
    url?.includes("/referrers/") === true ? void response.writeHead(500).end() : serve();
  await expect(pull(shelf)).rejects.toMatchObject({ code: "ASSET_DOWNLOAD_FAILED" });
});
