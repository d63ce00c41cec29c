import { isSandboxError } from "@mvm/protocol/errors";
import { imageError } from "../errors.js";
import { digestPattern } from "../manifest.js";
import { list, object, parseDocument, requireDigest } from "../oci/documents.js";
import type { Registry } from "../oci/registry.js";
import type { Candidate } from "./candidate.js";
import { simpleSigning, simpleSigningType } from "./simple-signing.js";
import { bundleType, signedStatement, signingPredicate } from "./statement.js";
import type { ImageSignature, ImageTrust } from "./trust.js";

/** Larger is no signature. */
const maxBytes = 256 * 1024;
/** Of each form; whoever can write to the repository can add more of them. */
const maxCandidates = 32;

/**
 * Looks for a signature of this digest, in both forms that cosign has had, until one counts. Nothing of the image but the
 * document that the digest names has been read by then.
 * @throws {AssetChecksumError} there is none, or none by who is trusted
 * @throws {AssetDownloadError} the registry does not say
 */
export async function requireSignature(registry: Registry, digest: string, trust: ImageTrust): Promise<ImageSignature> {
  const reasons: string[] = [];
  for (const form of [statements, simpleSignings]) {
    for await (const candidate of form(registry, digest)) {
      const { found } = candidate;
      const signer = candidate.judge(digest, trust);
      if (typeof signer !== "string") return { digest, found, ...signer };
      reasons.push(`${found}: ${signer}`);
    }
  }
  const { keys, identities } = trust;
  const wanted = [...keys.map(({ id }) => `key ${id}`), ...identities.map((by) => `${by.identity} (${by.issuer})`)];
  const what =
    reasons.length === 0
      ? `it is not signed; there are neither bundles that refer to it nor ${tagOf(digest)}.sig`
      : `no signature of it counts: ${reasons.join(". ")}`;
  throw imageError("checksum", `Cannot trust ${registry.name}@${digest}: ${what}`, {
    hint: `This host wants a signature by ${wanted.join(", or ")}; nothing of the image was used`,
  });
}

const tagOf = (digest: string): string => digest.replace(":", "-");

/** Bundles that refer to the digest: by the registry's own list, or by the one under the tag that stands in for it. */
async function* statements(registry: Registry, digest: string): AsyncGenerator<Candidate> {
  const what = `the referrers of ${registry.name}@${digest}`;
  let referrers = bundlesIn(await registry.referrers(digest), what);
  if (referrers.length === 0) referrers = bundlesIn(await optional(registry.manifest(tagOf(digest))), what);
  for (const referrer of referrers.slice(0, maxCandidates)) {
    const found = `referrer ${referrer}`;
    yield* candidates(found, async () => {
      const manifest = await registry.manifest(referrer);
      requireDigest(manifest, referrer, found);
      const [layer] = layersOf(manifest, bundleType, found);
      return layer === undefined ? [] : [signedStatement(found, await registry.smallBlob(layer.digest, maxBytes))];
    });
  }
}

/** Digests of the referrers that may hold a signature; some registries do not know of what type theirs are. */
function bundlesIn(index: Buffer | undefined, what: string): string[] {
  if (index === undefined) return [];
  return list(parseDocument(index, what)["manifests"] ?? [], what)
    .map((item) => object(item, what))
    .filter(({ artifactType = bundleType, annotations }) => {
      const predicate = object(annotations ?? {}, what)["dev.sigstore.bundle.predicateType"] ?? signingPredicate;
      return (
        [bundleType, "application/vnd.oci.empty.v1+json"].includes(String(artifactType)) &&
        predicate === signingPredicate
      );
    })
    .map(({ digest }) => String(digest))
    .filter((digest) => digestPattern.test(digest));
}

async function* simpleSignings(registry: Registry, digest: string): AsyncGenerator<Candidate> {
  const found = `${tagOf(digest)}.sig`;
  const manifest = await optional(registry.manifest(found));
  if (manifest === undefined) return;
  yield* candidates(found, async () => {
    const made: Candidate[] = [];
    for (const { digest: payload, annotations } of layersOf(manifest, simpleSigningType, found)) {
      made.push(simpleSigning(found, await registry.smallBlob(payload, maxBytes), annotations));
    }
    return made;
  });
}

function layersOf(
  manifest: Buffer,
  type: string,
  what: string,
): { digest: string; annotations: Record<string, unknown> }[] {
  return list(parseDocument(manifest, what)["layers"] ?? [], what)
    .map((item) => object(item, what))
    .filter(({ mediaType, digest }) => mediaType === type && digestPattern.test(String(digest)))
    .slice(0, maxCandidates)
    .map(({ digest, annotations }) => ({ digest: String(digest), annotations: object(annotations ?? {}, what) }));
}

/** What cannot be read counts as little as what is signed by others, and keeps nothing else from counting. */
async function* candidates(found: string, read: () => Promise<Candidate[]>): AsyncGenerator<Candidate> {
  try {
    yield* await read();
  } catch (error) {
    if (!isSandboxError(error) || error.code === "ASSET_DOWNLOAD_FAILED") throw error;
    yield { found, judge: () => error.message };
  }
}

async function optional(wanted: Promise<Buffer>): Promise<Buffer | undefined> {
  return await wanted.catch((error: unknown) => {
    if (isSandboxError(error) && error.code === "ASSET_NOT_FOUND") return undefined;
    throw error;
  });
}
