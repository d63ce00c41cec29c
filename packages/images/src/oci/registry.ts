import { setTimeout as sleep } from "node:timers/promises";
import { deadline } from "@mvm/protocol";
import { imageError } from "../errors.js";
import { SourceError, type ReleaseSource } from "../release/source.js";
import { maxDocumentBytes } from "./limits.js";
import { bearerToken, parseChallenge, type Credentials } from "./registry-auth.js";

export interface RegistryOptions {
  readonly registry: string;
  readonly repository: string;
  readonly credentials?: Credentials | undefined;
  /** Whether http will do for a registry that is not on this host. */
  readonly plainHttp: boolean;
  readonly signal: AbortSignal;
}

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const tries = 5;
const firstPauseMs = 250;

/** One repository of a registry, by the OCI distribution protocol. Whoever reads from it checks what it reads. */
export class Registry {
  private readonly base: string;
  private authorization: string | undefined;

  constructor(private readonly options: RegistryOptions) {
    const { registry, plainHttp } = options;
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
    const what = `${reference} from ${this.name}`;
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.get(`/manifests/${reference}`, { accept: manifestTypes });
        return await whole(response, what);
      } catch (error) {
        this.options.signal.throwIfAborted();
        if (!(error instanceof SourceError)) throw error;
        if (error.kind === "missing") {
          throw imageError("not_found", `Cannot find ${what}: ${error.message}`, {
            hint: "Check the name, the tag or digest, and whether it needs credentials",
          });
        }
        if (error.kind === "permanent" || attempt === tries) {
          throw imageError("download", `Cannot get ${what}: ${error.message}`, { cause: error });
        }
        const pause = firstPauseMs * 2 ** (attempt - 1);
        await sleep(pause / 2 + (Math.random() * pause) / 2, undefined, { signal: this.options.signal });
      }
    }
  }

  /** The blobs of the repository, by digest. */
  blobs(): ReleaseSource {
    return {
      name: this.name,
      open: async (digest, from) => {
        const range = from > 0 ? { range: `bytes=${from}-` } : {};
        const response = await this.get(`/blobs/${digest}`, { "accept-encoding": "identity", ...range });
        if (response.body === null) throw new SourceError("transient", "the registry sent no content");
        const ranged = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`);
        if (response.status === 206 && ranged !== true)
          throw new SourceError("transient", "the registry sent another part");
        return { start: ranged === true ? from : 0, bytes: patient(response.body, this.options.signal) };
      },
    };
  }

  private async get(path: string, headers: Record<string, string>, again = true): Promise<Response> {
    const { signal, credentials, repository } = this.options;
    const authorization = this.authorization === undefined ? {} : { authorization: this.authorization };
    const answered = AbortSignal.any([signal, AbortSignal.timeout(deadline("assetAnswer"))]);
    // fetch takes the authorization off a redirect to another host, where blobs often lie.
    const response = await fetch(this.base + path, {
      headers: { ...headers, ...authorization },
      signal: answered,
    }).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new SourceError("transient", reasonOf(cause), { cause });
    });
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
    if (status === 404 || status === 410) throw new SourceError("missing", `HTTP ${status}`);
    const later = status >= 500 || [408, 416, 425, 429].includes(status);
    throw new SourceError(later ? "transient" : "permanent", `HTTP ${status}`);
  }
}

async function whole(response: Response, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxDocumentBytes) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new SourceError("transient", reasonOf(cause), { cause });
  }
  if (size > maxDocumentBytes)
    throw imageError("build", `Cannot use ${what}: it has more than ${maxDocumentBytes} bytes`);
  return Buffer.concat(chunks);
}

/** Passes chunks on; a connection that breaks or says nothing for a while may go better the next time. */
async function* patient(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  const ms = deadline("assetAnswer");
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const stalled = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new SourceError("transient", `nothing came for ${ms / 1000} s`)), ms);
      });
      const chunk = await Promise.race([reader.read(), stalled]).finally(() => clearTimeout(timer));
      if (chunk.done) return;
      yield chunk.value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof SourceError ? cause : new SourceError("transient", reasonOf(cause), { cause });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** `fetch` says no more than "fetch failed"; what failed stands in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
