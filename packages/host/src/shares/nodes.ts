import type { BigIntStats } from "node:fs";
import { Errno } from "./errno.js";
import { below, handleOn, release, statOf } from "./host-files.js";

/** Files that one guest's kernel may still be told of, in all its shares together; each is a few hundred bytes here. */
export interface NodeBudget {
  left: number;
}

export function nodeBudget(): NodeBudget {
  return { left: 262_144 };
}

/** Handles held at a time; a file whose handle was let go is found again by its name. */
const maxHandles = 512;

/** Renames on both sides at once could leave a circle of names; no path is this deep. */
const maxDepth = 4096;

/** A file of the share, by the number under which the guest's kernel knows it. */
export interface Node {
  readonly number: number;
  /** Null for the root. */
  parent: Node | null;
  name: Buffer;
  readonly dev: bigint;
  readonly ino: bigint;
  /** How many times the guest's kernel was told of it and has not forgotten. */
  lookups: number;
  handle: number | null;
  /** Uses of the handle in progress. */
  users: number;
}

export const rootNumber = 1;

/** The files of one share that its guest knows of. Handles are bounded; names lead from one file to the next, never further. */
export class Nodes {
  readonly #byNumber = new Map<number, Node>();
  readonly #byFile = new Map<string, Node>();
  /** Nodes with a handle, the one used longest ago first. */
  readonly #held = new Set<Node>();
  #next = rootNumber + 1;
  readonly root: Node;

  constructor(
    handle: number,
    stats: BigIntStats,
    private readonly budget: NodeBudget,
  ) {
    const { dev, ino } = stats;
    const name = Buffer.alloc(0);
    this.root = { number: rootNumber, parent: null, name, dev, ino, lookups: 1, handle, users: 1 };
    this.#byNumber.set(rootNumber, this.root);
    this.#byFile.set(key(dev, ino), this.root);
  }

  /** @throws {Errno} ESTALE: the guest names a file it was not told of */
  get(number: number): Node {
    const node = this.#byNumber.get(number);
    if (node === undefined) throw new Errno("ESTALE");
    return node;
  }

  /** The node of a file that was just found, which takes the handle; the guest knows of it once more. */
  found(parent: Node, name: Buffer, handle: number, stats: BigIntStats): Node {
    const { dev, ino } = stats;
    let node = this.#byFile.get(key(dev, ino));
    if (node === undefined) {
      if (this.budget.left <= 0) {
        release(handle);
        throw new Errno("ENFILE");
      }
      this.budget.left -= 1;
      node = { number: this.#next++, parent, name, dev, ino, lookups: 0, handle: null, users: 0 };
      this.#byNumber.set(node.number, node);
      this.#byFile.set(key(dev, ino), node);
    }
    node.lookups += 1;
    if (node !== this.root) Object.assign(node, { parent, name });
    if (node.handle === null) this.#hold(node, handle);
    else release(handle);
    return node;
  }

  /** How many directories lie between a directory and the top. */
  depth(node: Node): number {
    let depth = 0;
    for (let at = node; at.parent !== null && depth < maxDepth; at = at.parent) depth += 1;
    return depth;
  }

  forget(number: number, times: number): void {
    const node = this.#byNumber.get(number);
    if (node === undefined || node === this.root) return;
    node.lookups -= times;
    if (node.lookups > 0) return;
    this.budget.left += 1;
    this.#byNumber.delete(number);
    this.#byFile.delete(key(node.dev, node.ino));
    if (node.users === 0) this.#letGo(node);
  }

  /** After a rename: where a file is found from now on, if the guest knows of it. */
  moved(parent: Node, name: Buffer, { dev, ino }: BigIntStats): void {
    const node = this.#byFile.get(key(dev, ino));
    if (node !== undefined && node !== this.root) Object.assign(node, { parent, name });
  }

  /** Lets `use` have the handle of a file, which is found again by its name where it was let go. */
  async use<T>(node: Node, use: (handle: number) => Promise<T>): Promise<T> {
    node.users += 1;
    if (this.#held.delete(node)) this.#held.add(node);
    try {
      return await use(node.handle ?? (await this.#find(node)));
    } finally {
      node.users -= 1;
      if (node.users === 0 && !this.#byNumber.has(node.number)) this.#letGo(node);
    }
  }

  close(): void {
    for (const node of this.#byNumber.values()) this.#letGo(node);
    this.#byNumber.clear();
    this.#byFile.clear();
  }

  async #find(node: Node): Promise<number> {
    const { parent, name, dev, ino } = node;
    if (parent === null || this.depth(node) >= maxDepth) throw new Errno("ESTALE");
    const handle = await this.use(parent, (directory) => handleOn(below(directory, name)));
    const stats = await statOf(handle);
    // Another file has its name by now.
    if (stats.dev !== dev || stats.ino !== ino) {
      release(handle);
      throw new Errno("ESTALE");
    }
    if (node.handle !== null) release(handle);
    else this.#hold(node, handle);
    return node.handle ?? handle;
  }

  #hold(node: Node, handle: number): void {
    node.handle = handle;
    this.#held.add(node);
    if (this.#held.size <= maxHandles) return;
    for (const oldest of this.#held) {
      if (oldest.users > 0 || oldest === node) continue;
      this.#letGo(oldest);
      return;
    }
  }

  #letGo(node: Node): void {
    this.#held.delete(node);
    if (node.handle === null) return;
    release(node.handle);
    node.handle = null;
  }
}

function key(dev: bigint, ino: bigint): string {
  return `${dev}:${ino}`;
}
