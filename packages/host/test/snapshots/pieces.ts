import { Readable } from "node:stream";
import { extract, type Headers, pack } from "tar-stream";

/** One entry of an archive. */
export interface Piece {
  readonly name: string;
  readonly content: Buffer;
  readonly header?: Headers;
}

export async function entriesOf(bytes: Buffer): Promise<Piece[]> {
  const tar = extract();
  Readable.from([bytes]).pipe(tar);
  const pieces: Piece[] = [];
  for await (const entry of tar) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    pieces.push({ name: entry.header.name, content: Buffer.concat(chunks), header: entry.header });
  }
  return pieces;
}

export async function archiveOf(pieces: readonly Piece[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, header } of pieces) {
    const fileless = header?.type !== undefined && header.type !== "file";
    const named = { name, type: "file" as const, ...header };
    tar.entry({ ...named, size: fileless ? 0 : content.length }, fileless ? "" : content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The archive with its entries changed; null leaves one out. */
export async function rewrite(
  bytes: Buffer,
  change: (name: string, content: Buffer, header: Headers) => Buffer | null,
): Promise<Buffer> {
  const pieces: Piece[] = [];
  for (const { name, content } of await entriesOf(bytes)) {
    const header: Headers = { name };
    const changed = change(name, content, header);
    if (changed !== null) pieces.push({ name, content: changed, header });
  }
  return await archiveOf(pieces);
}
