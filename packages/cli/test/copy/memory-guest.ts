import type { Readable } from "node:stream";
import type { FileEntryDocument } from "@mvm/protocol";
import type { GuestFiles } from "../../src/copy/guest-files.js";

/** An entry of a made-up guest; a directory's children may break every rule. */
export interface Made {
  readonly name?: string;
  readonly type: FileEntryDocument["type"];
  readonly content?: string | AsyncIterable<Uint8Array>;
  readonly target?: string;
  readonly mode?: number;
  readonly children?: readonly Made[];
}

/** The files of a guest that can lie: what a hostile agent might answer. */
export class MemoryGuest implements GuestFiles {
  readonly written = new Map<string, Buffer>();
  readonly made: string[] = [];
  readonly links = new Map<string, string>();

  constructor(readonly root: Made = { type: "directory", children: [] }) {}

  static entry(made: Made): FileEntryDocument {
    const { name, type, mode = type === "directory" ? 0o755 : 0o644, target } = made;
    return {
      ...(name === undefined ? { name_b64: "/w==" } : { name }),
      ...(target === undefined ? {} : { target }),
      type,
      mode,
      size: typeof made.content === "string" ? made.content.length : 0,
      uid: 1000,
      gid: 1000,
      mtime_ms: 1_700_000_000_000,
    };
  }

  #find(path: string): Made | undefined {
    let at: Made | undefined = this.root;
    for (const part of path.split("/").slice(1)) at = at?.children?.find(({ name }) => name === part);
    return at;
  }

  async stat(path: string): Promise<FileEntryDocument | null> {
    const found = this.#find(path);
    return found === undefined ? null : MemoryGuest.entry(found);
  }

  async *list(path: string): AsyncGenerator<FileEntryDocument> {
    for (const child of this.#find(path)?.children ?? []) yield MemoryGuest.entry(child);
  }

  async read(path: string): Promise<AsyncIterable<Uint8Array>> {
    const content = this.#find(path)?.content ?? "";
    return typeof content === "string"
      ? (async function* () {
          yield Buffer.from(content);
        })()
      : content;
  }

  async write(path: string, content: () => Readable): Promise<number> {
    const chunks: Buffer[] = [];
    for await (const chunk of content()) chunks.push(chunk as Buffer);
    this.written.set(path, Buffer.concat(chunks));
    return this.written.get(path)?.length ?? 0;
  }

  async mkdir(path: string): Promise<void> {
    this.made.push(path);
  }

  async symlink(path: string, target: string): Promise<boolean> {
    if (this.links.has(path)) return false;
    this.links.set(path, target);
    return true;
  }
}
