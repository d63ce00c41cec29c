import type { FileEntryDocument } from "@mvm/protocol";

/** A file of the sandbox. */
export interface FileEntry {
  /** Bytes that are not UTF-8 are U+FFFD here and exact in `nameBytes`. */
  readonly name: string;
  readonly nameBytes?: Uint8Array;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: Date;
  /** Where a symlink leads. */
  readonly target?: string;
  /** Hex, of a file's content as the guest handed it out when it was asked; only with `sha256`. */
  readonly sha256?: string;
}

/** The SDK's form of the daemon's document. */
export function fileEntry(document: FileEntryDocument): FileEntry {
  const { name_b64: raw, target, target_b64: rawTarget } = document;
  const nameBytes = raw === undefined ? undefined : Buffer.from(raw, "base64");
  const leadsTo = target ?? (rawTarget === undefined ? undefined : Buffer.from(rawTarget, "base64").toString());
  return {
    name: document.name ?? nameBytes?.toString() ?? "",
    ...(nameBytes !== undefined && { nameBytes }),
    type: document.type,
    size: document.size,
    mode: document.mode,
    uid: document.uid,
    gid: document.gid,
    modifiedAt: new Date(document.mtime_ms),
    ...(leadsTo !== undefined && { target: leadsTo }),
    ...(document.sha256 !== undefined && { sha256: document.sha256 }),
  };
}
