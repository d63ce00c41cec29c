import { imageError } from "../errors.js";
import { type ByteSource, OpenFile } from "./byte-source.js";
import { maxDocumentBytes, maxLinks, mergeLimits } from "./limits.js";
import { readTar } from "./tar-reader.js";

/** Files of an archive or of a folder, by the names that its format gives them. */
export interface ArchiveFiles {
  /** @throws {AssetNotFoundError} there is none */
  find(name: string): Promise<ByteSource>;
  close(): Promise<void>;
}

/** A tar on this host: read in place, never unpacked. */
export async function tarFiles(path: string): Promise<ArchiveFiles> {
  const archive = await OpenFile.open(path);
  const files = new Map<string, ByteSource | string>();
  try {
    for await (const entry of readTar(archive, path)) {
      if (files.size > mergeLimits.entries) throw imageError("build", `Cannot use ${path}: it has too many entries`);
      const name = normal(entry.path);
      if (entry.type === "file") files.set(name, entry.content);
      // Older archives name a layer that two images share once, and link to it.
      else if (entry.type === "symlink") files.set(name, normal(`${name}/../${entry.link}`));
      else if (entry.type === "hardlink") files.set(name, normal(entry.link));
    }
  } catch (error) {
    await archive.close();
    throw error;
  }
  return {
    find: (name) => {
      let found: ByteSource | string | undefined = normal(name);
      for (let links = 0; typeof found === "string" && links <= maxLinks; links++) found = files.get(found);
      if (found === undefined || typeof found === "string") return Promise.reject(missing(path, name));
      return Promise.resolve(found);
    },
    close: () => archive.close(),
  };
}

/** A folder of this host. Only names that the caller made are opened in it, and no link of it is followed at their end. */
export function folderFiles(path: string): ArchiveFiles {
  const opened: OpenFile[] = [];
  return {
    find: async (name) => {
      const file = await OpenFile.open(`${path}/${name}`);
      opened.push(file);
      return file;
    },
    close: async () => {
      for (const file of opened.splice(0)) await file.close();
    },
  };
}

/** A small file whole. */
export async function documentOf(files: ArchiveFiles, name: string, what: string): Promise<Buffer> {
  const source = await files.find(name);
  if (source.size > maxDocumentBytes) {
    throw imageError("build", `Cannot use ${what}: ${name} has more than ${maxDocumentBytes} bytes`);
  }
  return await source.read(0, source.size);
}

function normal(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names.join("/");
}

function missing(path: string, name: string): Error {
  return imageError("not_found", `Cannot use ${path}: it holds no ${JSON.stringify(name)}`, {
    hint: "Check what kind of archive it is: docker-archive:, oci-archive: or rootfs:",
  });
}
