import { deadline } from "@mvm/protocol";
import { imageError } from "../errors.js";
import { retried } from "../release/download.js";
import { ask, bodyOf, refusal, smallBodyOf } from "../release/http.js";
import { SourceError } from "../release/source-error.js";
import type { ReleaseSource } from "../release/source.js";
import { requireDigest } from "./documents.js";
import { maxDocumentBytes } from "./limits.js";
import { bearerToken, parseChallenge, type Credentials } from "./registry-auth.js";

export interface RegistryOptions {
  readonly registry: string;
  readonly repository: string;
  readonly credentials?: Credentials | undefined;
  /** Whether http will do for a registry that is not on this host. */
  readonly plainHttp: boolean;
  readonly signal: AbortSignal;
  /** To an answer, between two pieces of a body, and for all of a document. Milliseconds; default: deadline `assetAnswer`. */
  readonly answerMs?: number | undefined;
}

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const hint = "Check the name, the tag or digest, and whether it needs credentials";

/** One repository of a registry, by the OCI distribution protocol. Whoever reads from it checks what it reads. */
export class Registry {
  private readonly base: string;
  private readonly answerMs: number;
  private authorization: string | undefined;

  constructor(private readonly options: RegistryOptions) {
    const { registry, plainHttp, answerMs = deadline("assetAnswer") } = options;
    this.answerMs = answerMs;
    const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
    // What goes to this host itself crosses no wire.
    const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
    this.base = `${loopback || plainHttp ? "http" : "https"}://${host}/v2/${options.repository}`;
  }

  get name(): string {
    return `${this.options.registry}/${this.options.repository}`;
  }

  /** The bytes of a manifest. @throws {AssetNotFoundError | AssetDownloadError} */
  async manifest(reference: string): Promise<Buffer> {
    return await this.whole(reference, `/manifests/${reference}`, maxDocumentBytes);
  }

  /** The index of what refers to a digest; undefined: the registry keeps none. @throws {AssetDownloadError} */
  async referrers(digest: string): Promise<Buffer | undefined> {
    const { signal } = this.options;
    return await retried({ name: this.name, hint }, `the referrers of ${digest}`, signal, async () => {
      try {
        const response = await this.get(`/referrers/${digest}`, { accept: manifestTypes });
        return await smallBodyOf(response, maxDocumentBytes, signal, this.answerMs);
      } catch (error) {
        // A registry that knows nothing of them says so in one way or another.
        if (error instanceof SourceError && error.kind !== "transient") return undefined;
        throw error;
      }
    });
  }

  /** A small blob. @throws {AssetNotFoundError | AssetDownloadError | AssetChecksumError | BuildError} */
  async smallBlob(digest: string, limit: number): Promise<Buffer> {
    const bytes = await this.whole(digest, `/blobs/${digest}`, limit);
    requireDigest(bytes, digest, `a blob of ${this.name}`);
    return bytes;
  }

  /** The blobs of the repository, by digest. */
  blobs(): ReleaseSource {
    return {
      ...{ name: this.name, hint },
      open: async (digest, from) => {
        const range = from > 0 ? { range: `bytes=${from}-` } : {};
        const response = await this.get(`/blobs/${digest}`, { "accept-encoding": "identity", ...range });
        const ranged = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`);
        if (response.status === 206 && ranged !== true)
          throw new SourceError("transient", "the registry sent another part");
        return { start: ranged === true ? from : 0, bytes: bodyOf(response, this.options.signal, this.answerMs) };
      },
    };
  }

  private async whole(name: string, path: string, limit: number): Promise<Buffer> {
    const { signal } = this.options;
    const bytes = await retried({ name: this.name, hint }, name, signal, async () => {
      return await smallBodyOf(await this.get(path, { accept: manifestTypes }), limit, signal, this.answerMs);
    });
    if (bytes !== undefined) return bytes;
    throw imageError("build", `Cannot use ${name} of ${this.name}: it has more than ${limit} bytes`);
  }

  private async get(path: string, headers: Record<string, string>, again = true): Promise<Response> {
    const { signal, credentials, repository } = this.options;
    const authorization = this.authorization === undefined ? {} : { authorization: this.authorization };
    // fetch takes the authorization off a redirect to another host, where blobs often lie.
    const request = { headers: { ...headers, ...authorization } };
    const response = await ask(this.base + path, request, signal, this.answerMs);
    if (response.ok) return response;
    const challenge = response.headers.get("www-authenticate");
    await response.body?.cancel();
    const { status } = response;
    if (status === 401 && again && challenge !== null) {
      this.authorization = await bearerToken(parseChallenge(challenge), {
        base: this.base,
        repository,
        credentials,
        signal,
        answerMs: this.answerMs,
      });
      if (this.authorization !== undefined) return this.get(path, headers, false);
    }
    if (status === 401 || status === 403) {
      const how =
        credentials === undefined ? "Give --credentials with the name of a stored secret" : "Check the stored secret";
      throw imageError("download", `Cannot read ${this.name}: the registry refuses access`, {
        hint: `${how}; its value is USER:PASSWORD`,
      });
    }
    throw refusal(response);
  }
}
