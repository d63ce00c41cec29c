import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** One entry of a tar made by hand, hostile ones too. */
export interface Entry {
  readonly path: string;
  /** Type flag of tar. Default: "0", a file. */
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: Readonly<Record<string, Buffer>>;
  /** Size as the header claims it. */
  readonly size?: number;
}

const block = 512;

/** An archive of entries, with PAX headers where they need them. */
export function tar(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.flatMap(encode), Buffer.alloc(2 * block)]);
}

function encode(entry: Entry): Buffer[] {
  const body = Buffer.from(entry.body ?? "");
  const records: Buffer[] = Object.entries(entry.xattrs ?? {}).map(([key, value]) =>
    record(`SCHILY.xattr.${key}`, value),
  );
  if (entry.path.length > 100) records.push(record("path", Buffer.from(entry.path, "latin1")));
  if ((entry.link?.length ?? 0) > 100) records.push(record("linkpath", Buffer.from(entry.link!, "latin1")));
  const pax = Buffer.concat(records);
  const before = pax.length === 0 ? [] : [header({ path: "pax", type: "x", size: pax.length }), padded(pax)];
  return [...before, header({ ...entry, size: entry.size ?? body.length }), padded(body)];
}

function record(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length += 1;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}

function header({ path, type = "0", link = "", mode = 0o644, uid = 0, gid = 0, size = 0 }: Entry): Buffer {
  const out = Buffer.alloc(block);
  out.write(path.slice(0, 100), 0, "latin1");
  const octal = (value: number, at: number, length: number): void =>
    void out.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  out.write("        ", 148);
  out.write(type, 156);
  out.write(link.slice(0, 100), 157, "latin1");
  out.write("ustar\x0000", 257, "latin1");
  octal(
    out.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  out[155] = 0x20;
  return out;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)]);
}

export const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface MadeImage {
  readonly blobs: Map<string, Buffer>;
  readonly manifest: Buffer;
  readonly manifestDigest: string;
  readonly config: Buffer;
  readonly layers: readonly Buffer[];
}

/** Zstd that nothing has compressed: frames of stored blocks, with a frame between them that is no data. */
export function zstdStored(bytes: Buffer): Buffer {
  const half = Math.floor(bytes.length / 2);
  const note = Buffer.concat([Buffer.from("502a4d18", "hex"), Buffer.from([3, 0, 0, 0]), Buffer.from("toc")]);
  return Buffer.concat([zstdFrame(stored(bytes.subarray(0, half))), note, zstdFrame(stored(bytes.subarray(half)))]);
}

/** A frame of these blocks. @param window its descriptor; 0x38 is 128 KiB */
export function zstdFrame(blocks: readonly Buffer[], window = 0x38): Buffer {
  return Buffer.concat([Buffer.from("28b52ffd", "hex"), Buffer.from([0x00, window]), ...blocks]);
}

/** A block: type 0 is stored, type 1 one byte that stands for `size` of them. */
export function zstdBlock(type: number, size: number, content: Buffer, last = false): Buffer {
  const head = Buffer.alloc(3);
  head.writeUIntLE((size << 3) | (type << 1) | Number(last), 0, 3);
  return Buffer.concat([head, content]);
}

function stored(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += 131_072) {
    const part = bytes.subarray(at, at + 131_072);
    blocks.push(zstdBlock(0, part.length, part, at + 131_072 >= bytes.length));
  }
  return blocks;
}

/** An OCI image of layers, each a tar; gzipped, or as `pack` does it. */
export function makeImage(
  tars: readonly Buffer[],
  config: object = {},
  architecture = "amd64",
  pack: (layer: Buffer) => Buffer = gzipSync,
): MadeImage {
  const layers = tars.map((layer) => pack(layer));
  const document = Buffer.from(
    JSON.stringify({ os: "linux", architecture, config, rootfs: { type: "layers", diff_ids: tars.map(sha256) } }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: describe("application/vnd.oci.image.config.v1+json", document),
      layers: layers.map((layer) => describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
    }),
  );
  const all = [document, ...layers, manifest];
  return {
    ...{ manifest, manifestDigest: sha256(manifest), config: document, layers },
    blobs: new Map(all.map((bytes) => [sha256(bytes), bytes])),
  };
}
