import { open, type FileHandle } from "node:fs/promises";
import { imageTime } from "../finish-script.js";
import { imageError } from "../errors.js";
import { chunksOf } from "./byte-source.js";
import type { Directory, TreeNode } from "./tree.js";
import { encodeDirectory, directoryBytes } from "./erofs-directory.js";
import { encodeXattrs } from "./erofs-xattrs.js";

const blockBytes = 4096;
const superblockAt = 1024;
const slotBytes = 32;
const inodeBytes = 64;
/** Behind the superblock; inode numbers count slots from the beginning of the file. */
const firstInodeAt = superblockAt + 128;
const fileTypes = { file: 1, directory: 2, fifo: 5, symlink: 7 } as const;
const modeTypes = { file: 0o100000, directory: 0o040000, fifo: 0o010000, symlink: 0o120000 } as const;
const flatPlain = 0;
const flatInline = 2;

/** One file of the image, and where it lies in it. */
interface Inode {
  readonly node: TreeNode;
  readonly parent: Inode | undefined;
  readonly size: number;
  readonly xattrs: Buffer;
  links: number;
  /** Bytes from the beginning of the image. */
  at: number;
  /** Whether what is left behind its whole blocks stands behind the inode. */
  inline: boolean;
  firstBlock: number;
}

/**
 * Writes a tree as an uncompressed EROFS image: the same tree always gives the same bytes. No tool, no privilege and no
 * unpacked file is needed for it. Every file gets the time of all images.
 * @throws {BuildError} a file or directory is larger than the format allows
 */
export async function writeErofs(root: Directory, path: string, signal?: AbortSignal): Promise<void> {
  const inodes = collect(root);
  const metadataEnd = placeInodes([...inodes.values()]);
  const blocks = placeBlocks([...inodes.values()], Math.ceil(metadataEnd / blockBytes));
  const output = await open(path, "wx", 0o600);
  try {
    const metadata = Buffer.alloc(Math.ceil(metadataEnd / blockBytes) * blockBytes);
    writeSuperblock(metadata, inodes, root, blocks);
    let serial = 0;
    for (const inode of inodes.values()) {
      signal?.throwIfAborted();
      writeInode(metadata, inode, ++serial);
      await writeContent(output, metadata, inode, inodes);
    }
    await output.write(metadata, 0, metadata.length, 0);
    await output.truncate(blocks * blockBytes);
    await output.sync();
  } finally {
    await output.close();
  }
}

/** Every node once, parents first, names in order. */
function collect(root: Directory): Map<TreeNode, Inode> {
  const inodes = new Map<TreeNode, Inode>();
  const queue: { node: TreeNode; parent: Inode | undefined }[] = [{ node: root, parent: undefined }];
  for (let at = 0; at < queue.length; at++) {
    const { node, parent } = queue[at]!;
    const known = inodes.get(node);
    if (known !== undefined) {
      known.links += 1;
      continue;
    }
    const links = node.type === "directory" ? 2 + subdirectories(node) : 1;
    const size = sizeOf(node);
    const inode: Inode = {
      node,
      parent,
      size,
      xattrs: encodeXattrs(node.xattrs),
      links,
      at: 0,
      inline: false,
      firstBlock: 0,
    };
    inodes.set(node, inode);
    if (node.type !== "directory") continue;
    const names = [...node.children.keys()].sort();
    for (const name of names) queue.push({ node: node.children.get(name)!.node, parent: inode });
  }
  return inodes;
}

function subdirectories(node: Directory): number {
  let count = 0;
  for (const child of node.children.values()) if (child.node.type === "directory") count += 1;
  return count;
}

function sizeOf(node: TreeNode): number {
  if (node.type === "directory") return directoryBytes([...node.children.keys()], blockBytes);
  if (node.type === "symlink") return node.target.length;
  return node.type === "file" ? node.content.size : 0;
}

/** Gives each inode its place; a tail must lie in one block with nothing between it and its inode. Returns the end. */
function placeInodes(inodes: readonly Inode[]): number {
  let at = firstInodeAt;
  for (const inode of inodes) {
    const head = inodeBytes + inode.xattrs.length;
    const tail = inode.size % blockBytes;
    inode.inline = tail > 0 && head + tail <= blockBytes;
    const whole = head + (inode.inline ? tail : 0);
    const left = blockBytes - (at % blockBytes);
    if (inode.inline && whole > left) at += left;
    inode.at = at;
    at = Math.ceil((at + whole) / slotBytes) * slotBytes;
  }
  return at;
}

/** Returns how many blocks the image has. */
function placeBlocks(inodes: readonly Inode[], first: number): number {
  let next = first;
  for (const inode of inodes) {
    inode.firstBlock = next;
    next += inode.inline ? Math.floor(inode.size / blockBytes) : Math.ceil(inode.size / blockBytes);
  }
  if (next > 0xffff_ffff) throw imageError("build", "Cannot make the image: it is larger than 16 TiB");
  return next;
}

function writeSuperblock(out: Buffer, inodes: ReadonlyMap<TreeNode, Inode>, root: Directory, blocks: number): void {
  out.writeUInt32LE(0xe0f5e1e2, superblockAt);
  out[superblockAt + 12] = Math.log2(blockBytes);
  out.writeUInt16LE(numberOf(inodes.get(root)!), superblockAt + 14);
  out.writeBigUInt64LE(BigInt(inodes.size), superblockAt + 16);
  out.writeBigUInt64LE(BigInt(imageTime), superblockAt + 24);
  out.writeUInt32LE(blocks, superblockAt + 36);
}

function writeInode(out: Buffer, { node, size, xattrs, links, at, inline, firstBlock }: Inode, serial: number): void {
  out.writeUInt16LE(1 | ((inline ? flatInline : flatPlain) << 1), at);
  out.writeUInt16LE(xattrs.length === 0 ? 0 : (xattrs.length - 12) / 4 + 1, at + 2);
  out.writeUInt16LE(modeTypes[node.type] | node.mode, at + 4);
  out.writeBigUInt64LE(BigInt(size), at + 8);
  out.writeUInt32LE(node.type === "fifo" ? 0 : firstBlock, at + 16);
  out.writeUInt32LE(serial, at + 20);
  out.writeUInt32LE(node.uid, at + 24);
  out.writeUInt32LE(node.gid, at + 28);
  out.writeBigUInt64LE(BigInt(imageTime), at + 32);
  out.writeUInt32LE(links, at + 44);
  xattrs.copy(out, at + inodeBytes);
}

async function writeContent(
  output: FileHandle,
  metadata: Buffer,
  inode: Inode,
  inodes: ReadonlyMap<TreeNode, Inode>,
): Promise<void> {
  const { node, size, at, xattrs, inline, firstBlock } = inode;
  const whole = inline ? size - (size % blockBytes) : size;
  let done = 0;
  const place = async (bytes: Buffer): Promise<void> => {
    const split = Math.max(0, Math.min(bytes.length, whole - done));
    if (split > 0) await output.write(bytes, 0, split, firstBlock * blockBytes + done);
    bytes.copy(metadata, at + inodeBytes + xattrs.length + Math.max(0, done - whole), split);
    done += bytes.length;
  };
  if (node.type === "file") for await (const chunk of chunksOf(node.content)) await place(chunk);
  else if (node.type === "symlink") await place(Buffer.from(node.target, "latin1"));
  else if (node.type === "directory") await place(directoryOf(node, inode, inodes));
}

function directoryOf(node: Directory, inode: Inode, inodes: ReadonlyMap<TreeNode, Inode>): Buffer {
  const entries = [...node.children].map(([name, child]) => {
    return { name, number: numberOf(inodes.get(child.node)!), type: fileTypes[child.node.type] };
  });
  const up = numberOf(inode.parent ?? inode);
  return encodeDirectory(entries, { here: numberOf(inode), up, type: fileTypes.directory }, blockBytes);
}

function numberOf({ at }: Inode): number {
  return at / slotBytes;
}
