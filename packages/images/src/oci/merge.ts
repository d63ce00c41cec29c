import { imageError } from "../errors.js";
import type { ByteSource } from "./byte-source.js";
import {
  maxDepth,
  maxLinks,
  maxNameBytes,
  maxPathBytes,
  maxTextBytes,
  type MergeLimits,
  mergeLimits,
} from "./limits.js";
import { readTar, type TarEntry } from "./tar-reader.js";
import { type Child, directory, type Directory, type TreeNode } from "./tree.js";

/** What of the layers is not in the tree, and what of the tree a reader should know of. */
export interface MergeCounts {
  entries: number;
  devicesDropped: number;
  xattrsDropped: number;
  setuid: number;
  capabilities: number;
}

/**
 * The root file system that layers make, lowest first. It exists as data only: no path of it is ever opened on this host, so
 * no link of it can lead anywhere.
 */
export class LayerMerger {
  readonly root: Directory = directory();
  private layer = 0;
  private entries = 0;
  private text = 0;
  private devicesDropped = 0;
  private xattrsDropped = 0;

  constructor(private readonly limits: MergeLimits = mergeLimits) {}

  /** @throws {BuildError} the layer is damaged, hostile or too large */
  async add(tar: ByteSource, what: string): Promise<void> {
    this.layer += 1;
    for await (const entry of readTar(tar, what)) {
      this.count(entry.path);
      this.weigh(entry);
      this.apply(entry);
    }
  }

  counts(): MergeCounts {
    let setuid = 0;
    let capabilities = 0;
    const seen = new Set<TreeNode>();
    const open: Directory[] = [this.root];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const { node } of next.children.values()) {
        if (node.type === "directory") open.push(node);
        if (node.type !== "file" || seen.has(node)) continue;
        seen.add(node);
        if ((node.mode & 0o6000) !== 0) setuid += 1;
        if (node.xattrs.has("security.capability")) capabilities += 1;
      }
    }
    const { entries, devicesDropped, xattrsDropped } = this;
    return { entries, devicesDropped, xattrsDropped, setuid, capabilities };
  }

  /** Names and attributes stay in memory until the image is written. */
  private weigh({ path, link, xattrs }: TarEntry): void {
    this.text += path.length + link.length;
    for (const [key, value] of xattrs) this.text += key.length + value.length;
    if (this.text > maxTextBytes) throw refuse(path, "names and attributes are too long, all together");
  }

  /** Directories that no entry names count too: a path of a few kilobytes could make thousands. */
  private count(path: string): void {
    this.entries += 1;
    if (this.entries > this.limits.entries) throw refuse(path, `there are more than ${this.limits.entries} entries`);
  }

  private apply(entry: TarEntry): void {
    const names = split(entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (entry.type !== "directory") throw refuse(entry.path, "it would replace the root directory");
      Object.assign(this.root, this.attributes(entry));
      return;
    }
    const { children } = this.directoryOf(names, entry.path);
    if (name.startsWith(".wh.")) return this.whiteOut(children, name, entry.path);
    const known = children.get(name);
    if (entry.type === "directory" && known?.node.type === "directory") {
      Object.assign(known.node, this.attributes(entry));
      known.layer = this.layer;
      return;
    }
    if (entry.type === "char" || entry.type === "block") {
      this.devicesDropped += 1;
      children.delete(name);
      return;
    }
    // Looked up before the name is freed: a link to itself is no file.
    const node = entry.type === "hardlink" ? this.linked(entry) : this.made(entry, entry.type);
    children.set(name, { node, layer: this.layer });
  }

  private made(entry: TarEntry, type: "file" | "directory" | "symlink" | "fifo"): TreeNode {
    const common = this.attributes(entry);
    if (type === "directory") return { type, ...common, children: new Map() };
    if (type === "fifo") return { type, ...common };
    if (type === "file") return { type, ...common, content: entry.content };
    if (entry.link === "" || entry.link.length >= maxPathBytes) throw refuse(entry.path, "its target is no path");
    return { type, ...common, mode: 0o777, target: entry.link };
  }

  private linked(entry: TarEntry): TreeNode {
    const names = split(entry.link);
    const name = names.pop();
    const node = name === undefined ? undefined : this.directoryOf(names, entry.path).children.get(name)?.node;
    if (node === undefined) throw refuse(entry.path, "it is a hard link to nothing");
    if (node.type === "directory") throw refuse(entry.path, "it is a hard link to a directory");
    return node;
  }

  private whiteOut(children: Map<string, Child>, name: string, path: string): void {
    if (name === ".wh..wh..opq") return this.hide(children);
    // Notes that aufs leaves about itself.
    if (name.startsWith(".wh..wh.")) return;
    const hidden = name.slice(".wh.".length);
    if (hidden === "" || hidden === "." || hidden === "..") throw refuse(path, "it removes no name");
    const child = children.get(hidden);
    if (child === undefined) return;
    if (child.node.type === "directory") this.hide(child.node.children);
    const emptied = child.node.type !== "directory" || child.node.children.size === 0;
    if (child.layer < this.layer && emptied) children.delete(hidden);
  }

  /** Takes away what lower layers gave; what this one gave stays, in whatever order it came. */
  private hide(children: Map<string, Child>): void {
    for (const [name, child] of children) {
      const { node } = child;
      if (node.type === "directory") this.hide(node.children);
      const keeps = child.layer === this.layer || (node.type === "directory" && node.children.size > 0);
      if (!keeps) children.delete(name);
    }
  }

  /** The directory behind names, made where it is missing. Links are followed inside of the tree alone. */
  private directoryOf(names: readonly string[], path: string): Directory {
    const stack: Directory[] = [this.root];
    const todo = [...names].reverse();
    let links = 0;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      const here = stack.at(-1)!;
      if (stack.length > maxDepth) throw refuse(path, `it lies deeper than ${maxDepth} directories`);
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const child = here.children.get(name);
      if (child === undefined) {
        this.count(path);
        const made = directory();
        here.children.set(name, { node: made, layer: this.layer });
        stack.push(made);
      } else if (child.node.type === "directory") {
        stack.push(child.node);
      } else if (child.node.type === "symlink") {
        links += 1;
        if (links > maxLinks) throw refuse(path, "it lies behind too many links");
        const { target } = child.node;
        if (target.startsWith("/")) stack.length = 1;
        todo.push(...parts(target, path).reverse());
      } else {
        throw refuse(path, "it lies below what is no directory");
      }
    }
    return stack.at(-1)!;
  }

  private attributes({ mode, uid, gid, xattrs }: TarEntry) {
    // Copied: a value is a view of a header many times its size.
    const kept = [...xattrs].flatMap(([key, value]) => (isKept(key) ? [[key, Buffer.from(value)] as const] : []));
    this.xattrsDropped += xattrs.size - kept.length;
    return { mode, uid, gid, xattrs: new Map(kept) };
  }
}

/** Others mean something to this host, or to a security module that the guest does not have. */
function isKept(key: string): boolean {
  return (key.startsWith("user.") && key.length > 5 && key.length <= 255) || key === "security.capability";
}

function split(path: string): string[] {
  const names = parts(path, path);
  if (names.includes("..")) throw refuse(path, 'its path holds ".."');
  return names;
}

function parts(path: string, entry: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (path.length > maxPathBytes || names.some((name) => name.length > maxNameBytes || name.includes("\0"))) {
    throw refuse(entry, "its path is too long or holds NUL");
  }
  return names;
}

function refuse(path: string, why: string): Error {
  const shown = JSON.stringify(path.length > 80 ? `${path.slice(0, 80)}…` : path);
  return imageError("build", `Cannot use the image: entry ${shown} of a layer is refused: ${why}`, {
    hint: "Take the image from whoever made it again, or do not use it",
  });
}
