import { type BigIntStats, constants } from "node:fs";
import { readlink, statfs } from "node:fs/promises";
import { changesOf } from "./changes.js";
import { Errno, errnoOf } from "./errno.js";
import { below, handleOn, release, statOf, through } from "./host-files.js";
import { maxTransfer, negotiate } from "./negotiate.js";
import { nameOf } from "./name.js";
import { type Node, type NodeBudget, nodeBudget, Nodes } from "./nodes.js";
import { OpenFiles, openedAs } from "./open-files.js";
import type { SharedDirectory } from "./shared-directory.js";
import {
  encodeAnswer,
  Opcode,
  pack,
  packAttributeAnswer,
  packEntry,
  type Body,
  type Question,
  readQuestion,
} from "./wire.js";

type Answer = Buffer | undefined;
type Answerer = (node: number, body: Body) => Answer | Promise<Answer>;

/**
 * Answers what a guest's kernel asks about one directory of the host. The guest names files by numbers it was given and by
 * single names in them; a link is never followed here but by the guest, in the guest. So nothing it can say leads out of the
 * directory, whatever else on the host moves at the same time.
 *
 * Only files, directories and links of the directory's own file system are shared; everything seems to belong to the guest's
 * user; set-id bits do not exist.
 */
export class ShareServer {
  readonly #nodes: Nodes;
  readonly #files = new OpenFiles();
  readonly #answerers: ReadonlyMap<number, Answerer>;

  constructor(
    private readonly directory: SharedDirectory,
    budget: NodeBudget = nodeBudget(),
  ) {
    this.#nodes = new Nodes(directory.handle, directory.stats, budget);
    const change = changesOf({ directory, nodes: this.#nodes, files: this.#files, entry: this.#entry.bind(this) });
    this.#answerers = new Map<number, Answerer>([
      ...this.#looking(),
      ...this.#reading(),
      ...change.map(([opcode, act]): [number, Answerer] => [opcode, directory.readOnly ? refuse : act]),
    ]);
  }

  /**
   * The answer to one message of the guest, or undefined where none is expected.
   * @throws {RangeError} it is no message of the protocol
   */
  async answer(message: Buffer): Promise<Buffer | undefined> {
    const question = readQuestion(message);
    const { opcode, unique, node, body } = question;
    if (this.#forgets(question)) return undefined;
    try {
      const answerer = this.#answerers.get(opcode);
      if (answerer === undefined) throw new Errno("ENOSYS");
      return encodeAnswer(unique, 0, await answerer(node, body));
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return encodeAnswer(unique, errnoOf(error));
    }
  }

  close(): void {
    this.#files.close();
    this.#nodes.close();
  }

  /** What nobody waits for. */
  #forgets({ opcode, node, body }: Question): boolean {
    if (opcode === Opcode.FORGET) this.#nodes.forget(node, body.u64());
    else if (opcode === Opcode.BATCH_FORGET) {
      const count = body.u32();
      body.skip(4);
      for (let index = 0; index < count; index++) this.#nodes.forget(body.u64(), body.u64());
    } else return opcode === Opcode.INTERRUPT;
    return true;
  }

  #looking(): [number, Answerer][] {
    return [
      [Opcode.INIT, (_node, body) => negotiate(body)],
      [Opcode.DESTROY, () => undefined],
      [Opcode.LOOKUP, (node, body) => this.#entry(this.#nodes.get(node), nameOf(body))],
      [
        Opcode.GETATTR,
        async (number) => {
          const node = this.#nodes.get(number);
          return packAttributeAnswer(node.number, await this.#nodes.use(node, statOf));
        },
      ],
      [
        Opcode.READLINK,
        async (number) => {
          const { parent, name } = this.#nodes.get(number);
          if (parent === null) throw new Errno("EINVAL");
          return await this.#nodes.use(parent, (handle) => readlink(below(handle, name), { encoding: "buffer" }));
        },
      ],
      [Opcode.STATFS, () => this.#nodes.use(this.#nodes.root, statisticsOf)],
    ];
  }

  #reading(): [number, Answerer][] {
    const files = this.#files;
    const open = async (number: number, body: Body): Promise<Buffer> => {
      const flags = body.u32();
      if (this.directory.readOnly && writes(flags)) throw new Errno("EROFS");
      const node = this.#nodes.get(number);
      return openedAs(await this.#nodes.use(node, (handle) => files.open(handle, flags)));
    };
    return [
      [Opcode.OPEN, open],
      [
        Opcode.READ,
        async (_node, body) => {
          const file = body.u64();
          const offset = body.u64();
          return await files.read(file, offset, Math.min(body.u32(), maxTransfer));
        },
      ],
      [Opcode.FLUSH, () => undefined],
      [Opcode.RELEASE, (_node, body) => files.release(body.u64())],
      [
        Opcode.OPENDIR,
        async (number) => {
          const node = this.#nodes.get(number);
          return openedAs(await this.#nodes.use(node, (handle) => files.openDirectory(handle)));
        },
      ],
      [
        Opcode.READDIR,
        async (_node, body) => {
          const directory = body.u64();
          const place = body.u64();
          return await files.list(directory, place, Math.min(body.u32(), maxTransfer));
        },
      ],
      [Opcode.RELEASEDIR, (_node, body) => files.release(body.u64())],
      [Opcode.FSYNCDIR, () => undefined],
      [Opcode.FSYNC, async (_node, body) => await files.sync(body.u64())],
    ];
  }

  /** Finds a file by its name in a directory and tells the guest of it. */
  async #entry(parent: Node, name: Buffer): Promise<Buffer> {
    const handle = await this.#nodes.use(parent, (directory) => handleOn(below(directory, name)));
    let stats: BigIntStats;
    try {
      stats = await statOf(handle);
      // What is mounted below was not asked for: it may be another owner's, or the kernel's own.
      if (stats.dev !== this.directory.stats.dev) throw new Errno("EXDEV");
    } catch (error) {
      release(handle);
      throw error;
    }
    const node = this.#nodes.found(parent, name, handle, stats);
    return packEntry(node.number, stats);
  }
}

/** `struct fuse_statfs_out`. */
async function statisticsOf(handle: number): Promise<Buffer> {
  const { blocks, bfree, bavail, files, ffree, bsize } = await statfs(through(handle), { bigint: true });
  return pack(
    ...[blocks, bfree, bavail, files, ffree].map((value) => [64, value] as const),
    ...[bsize, 255n, bsize].map((value) => [32, value] as const),
    ...Array.from({ length: 7 }, () => [32, 0] as const),
  );
}

function writes(flags: number): boolean {
  return (flags & (constants.O_WRONLY | constants.O_RDWR | constants.O_TRUNC | constants.O_CREAT)) !== 0;
}

const refuse: Answerer = () => {
  throw new Errno("EROFS");
};
