/** A member of a newc archive. Paths are relative, without a leading slash; parents must come before children. */
export type CpioEntry =
  | { kind: "directory"; path: string; mode?: number }
  | { kind: "file"; path: string; mode?: number; content: Uint8Array }
  | { kind: "character"; path: string; mode?: number; major: number; minor: number };

const fileType = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;
const defaultMode = { directory: 0o755, file: 0o644, character: 0o600 } as const;

/**
 * Writes the "newc" format the kernel unpacks as its first root. Owner root, time 0 and inode numbers by position:
 * the same entries give the same bytes. Files are limited to 4 GiB by the format.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const chunks: Uint8Array[] = [];
  const append = (header: Buffer, content: Uint8Array): void => {
    chunks.push(header, content, padding(content.byteLength));
  };
  entries.forEach((entry, index) => {
    const content = entry.kind === "file" ? entry.content : new Uint8Array(0);
    append(
      cpioHeader({
        inode: index + 1,
        mode: fileType[entry.kind] | (entry.mode ?? defaultMode[entry.kind]),
        links: entry.kind === "directory" ? 2 : 1,
        size: content.byteLength,
        deviceMajor: entry.kind === "character" ? entry.major : 0,
        deviceMinor: entry.kind === "character" ? entry.minor : 0,
        path: entry.path,
      }),
      content,
    );
  });
  append(
    cpioHeader({ inode: 0, mode: 0, links: 1, size: 0, deviceMajor: 0, deviceMinor: 0, path: "TRAILER!!!" }),
    new Uint8Array(0),
  );
  return Buffer.concat(chunks);
}

interface HeaderFields {
  inode: number;
  mode: number;
  links: number;
  size: number;
  deviceMajor: number;
  deviceMinor: number;
  path: string;
}

function cpioHeader(fields: HeaderFields): Buffer {
  const name = Buffer.from(`${fields.path}\0`, "utf8");
  const numbers = [
    fields.inode,
    fields.mode,
    0, // uid
    0, // gid
    fields.links,
    0, // mtime
    fields.size,
    0, // major of the file system the member came from
    0, // its minor
    fields.deviceMajor,
    fields.deviceMinor,
    name.byteLength,
    0, // checksum, unused in this variant
  ];
  const hex = numbers.map((number) => number.toString(16).toUpperCase().padStart(8, "0")).join("");
  const header = Buffer.concat([Buffer.from(`070701${hex}`, "latin1"), name]);
  return Buffer.concat([header, padding(header.byteLength)]);
}

/** Zeros up to the next multiple of four. */
function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
