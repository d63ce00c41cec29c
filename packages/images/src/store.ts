import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { cachedSha256 } from "./digest-cache.js";
import { syncPath, writeDurably, writeJsonDurably } from "./durable.js";
import type { SandboxError } from "@mvm/protocol/errors";
import { imageError } from "./errors.js";
import { imageLayout, type ImageLayout } from "./layout.js";
import { digestHex, parseImageRecord, parseRefRecord, rebuildHint, type ImageRecord } from "./manifest.js";
import { parseReference } from "./reference.js";

/** An image a machine can be given: what it is and where its file lies. */
export interface ResolvedImage {
  record: ImageRecord;
  path: string;
}

export function openImageStore(home: string): ImageStore {
  return new ImageStore(imageLayout(home));
}

/** The images of one state root. Reads the disk at every call: other processes build and remove too. */
export class ImageStore {
  constructor(private readonly layout: ImageLayout) {}

  /** Every image, newest first, with the names that point at it. Damaged records are left out. */
  async list(): Promise<{ record: ImageRecord; refs: string[] }[]> {
    const refs = await this.refs();
    const found = await Promise.all(
      (await this.digests()).map(async (digest) => {
        const record = await this.record(digest).catch(() => undefined);
        return record && { record, refs: refs.filter((ref) => ref.digest === digest).map((ref) => ref.name) };
      }),
    );
    const images = found.filter((image) => image !== undefined);
    return images.sort((a, b) => (a.record.created_at < b.record.created_at ? 1 : -1));
  }

  /** Throws `AssetNotFoundError`, `AssetChecksumError` or, for what names nothing or several, `InvalidArgumentError`. */
  async resolve(ref: string): Promise<ResolvedImage> {
    const digest = await this.digestOf(ref);
    return { record: await this.record(digest), path: this.file(digest, "erofs") };
  }

  async inspect(ref: string): Promise<ImageRecord> {
    return (await this.resolve(ref)).record;
  }

  /** Resolves and proves that the file still has the recorded digest. Throws `AssetChecksumError` when it has not. */
  async verify(ref: string): Promise<ResolvedImage> {
    const image = await this.resolve(ref);
    const { digest, name } = image.record;
    const actual = await cachedSha256(image.path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw imageError("not_found", `Cannot use image "${name}": its file is gone`, {
        hint: rebuildHint,
        cause: error,
      });
    });
    if (`sha256:${actual.sha256}` !== digest || actual.size !== image.record.size) {
      throw imageError("checksum", `Cannot use image "${name}": its file differs from ${digest}`, {
        hint: rebuildHint,
      });
    }
    return image;
  }

  /** Deletes the image and every name of it. Whether a machine still uses it is for the caller to know. */
  async remove(ref: string): Promise<ImageRecord> {
    const { record } = await this.resolve(ref);
    for (const name of (await this.refs())
      .filter((known) => known.digest === record.digest)
      .map((known) => known.name)) {
      await rm(join(this.layout.refs, `${name}.json`), { force: true });
    }
    await rm(this.file(record.digest, "provenance.json"), { force: true });
    // The record goes last: while it is there, an interrupted removal can be repeated.
    await rm(this.file(record.digest, "erofs"), { force: true });
    await rm(this.file(record.digest, "json"), { force: true });
    await syncPath(this.layout.images);
    return record;
  }

  /** Records an image whose file is already in place, and points its name at it. */
  async register(record: ImageRecord): Promise<ResolvedImage> {
    await writeJsonDurably(this.file(record.digest, "json"), record);
    await this.point(record.name, record.digest);
    return { record, path: this.file(record.digest, "erofs") };
  }

  /** The signed statement about where an image comes from; undefined: it has none. */
  async provenance(digest: string): Promise<Buffer | undefined> {
    return await readFile(this.file(digest, "provenance.json")).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    });
  }

  async keepProvenance(digest: string, text: string | Uint8Array): Promise<void> {
    await writeDurably(this.file(digest, "provenance.json"), text);
  }

  /** Points a name at an image that is there. */
  async point(name: string, digest: string): Promise<void> {
    await writeJsonDurably(join(this.layout.refs, `${name}.json`), { schema_version: 1, name, digest });
  }

  private async digestOf(ref: string): Promise<string> {
    const parsed = parseReference(ref);
    if (parsed.kind === "digest") return parsed.digest;
    // A pin is answered by the digest alone: the name may have moved on since.
    if (parsed.kind === "pinned") return parsed.digest;
    if (parsed.kind === "name") {
      const named = await this.ref(parsed.name);
      if (named !== undefined) return named;
    }
    if (parsed.kind === "origin") return await this.pulledFrom(ref, parsed.origin, parsed.digest);
    const { prefix } = parsed;
    const matches = prefix === undefined ? [] : (await this.digests()).filter((d) => digestHex(d).startsWith(prefix));
    if (matches.length > 1) {
      throw imageError("invalid", `Cannot choose image "${ref}": ${matches.length} digests begin with it`, {
        hint: "Give more digits",
      });
    }
    const [only] = matches;
    if (only === undefined) throw await this.notFound(ref);
    return only;
  }

  /** The last image that was pulled from a place; with a digest, that one, whatever its tag was. */
  private async pulledFrom(ref: string, reference: string, digest: string | null): Promise<string> {
    const repository = reference.replace(/:[^:/]*$/, "");
    const found = (await this.list()).find(({ record: { origin } }) => {
      if (origin === undefined) return false;
      if (digest === null) return origin.reference === reference;
      const same = origin.reference === repository || origin.reference.startsWith(`${repository}:`);
      return same && [origin.digest, origin.manifest_digest].includes(digest);
    });
    if (found !== undefined) return found.record.digest;
    const isFlake = reference.startsWith("nix:");
    throw imageError("not_found", `Cannot find image "${ref}": it has not been ${isFlake ? "built" : "pulled"}`, {
      hint: isFlake ? `Build it with \`mvmctl image build ${ref}\`` : `Pull it with \`mvmctl image pull ${ref}\``,
    });
  }

  private async record(digest: string): Promise<ImageRecord> {
    const text = await readFile(this.file(digest, "json"), "utf8").catch(() => undefined);
    if (text === undefined) throw await this.notFound(digest);
    return parseImageRecord(text, digest);
  }

  private async notFound(ref: string): Promise<SandboxError> {
    const known = (await this.refs()).map((entry) => entry.name).join(", ");
    return imageError("not_found", `Cannot find image "${ref}": this store has ${known === "" ? "none" : known}`, {
      hint: rebuildHint,
    });
  }

  private async ref(name: string): Promise<string | undefined> {
    const text = await readFile(join(this.layout.refs, `${name}.json`), "utf8").catch(() => undefined);
    return text === undefined ? undefined : parseRefRecord(text, name).digest;
  }

  private async refs(): Promise<{ name: string; digest: string }[]> {
    const names = (await readdir(this.layout.refs).catch(() => [] as string[])).filter((file) =>
      file.endsWith(".json"),
    );
    const found = names.sort().map(async (file) => {
      const name = file.slice(0, -".json".length);
      const digest = await this.ref(name).catch(() => undefined);
      return digest === undefined ? undefined : { name, digest };
    });
    return (await Promise.all(found)).filter((ref) => ref !== undefined);
  }

  private async digests(): Promise<string[]> {
    const files = await readdir(this.layout.images).catch(() => [] as string[]);
    return files.filter((file) => /^[0-9a-f]{64}\.json$/.test(file)).map((file) => `sha256:${file.slice(0, 64)}`);
  }

  private file(digest: string, extension: "erofs" | "json" | "provenance.json"): string {
    return join(this.layout.images, `${digestHex(digest)}.${extension}`);
  }
}
