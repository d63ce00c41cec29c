import { constants, mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { NodeBudget } from "../../src/shares/nodes.js";
import { openShared } from "../../src/shares/open-shared.js";
import { ShareServer } from "../../src/shares/share-server.js";
import { Opcode, pack } from "../../src/shares/wire.js";

export { constants };

/** A directory to share, by its real name. */
export function emptyDirectory(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "share-")));
}

/** What the guest's kernel, or whoever has taken its place, says about one share; answers are taken apart. */
export class Kernel {
  #unique = 2n;
  constructor(readonly server: ShareServer) {}

  /** @returns 0 and the payload, or a negative errno */
  async ask(opcode: number, node: number, body: Buffer = Buffer.alloc(0)): Promise<{ error: number; payload: Buffer }> {
    const unique = (this.#unique += 2n);
    const answer = await this.server.answer(question(opcode, unique, node, body));
    if (answer === undefined) throw new Error("no answer");
    if (answer.readUInt32LE(0) !== answer.length || answer.readBigUInt64LE(8) !== unique) throw new Error("bad answer");
    return { error: answer.readInt32LE(4), payload: answer.subarray(16) };
  }

  async tell(opcode: number, node: number, body: Buffer): Promise<void> {
    await this.server.answer(question(opcode, 0n, node, body));
  }

  /** The number of a file found by its name, or a negative errno. */
  async lookup(parent: number, name: string | Buffer): Promise<number> {
    const { error, payload } = await this.ask(Opcode.LOOKUP, parent, text(name));
    return error === 0 ? Number(payload.readBigUInt64LE(0)) : error;
  }

  /** A number for the opened file, or a negative errno. */
  async open(node: number, flags: number = constants.O_RDONLY): Promise<number> {
    return opened(await this.ask(Opcode.OPEN, node, pack([32, flags], [32, 0])));
  }

  async opendir(node: number): Promise<number> {
    return opened(await this.ask(Opcode.OPENDIR, node, pack([32, 0], [32, 0])));
  }

  async read(file: number, offset: number, size: number): Promise<{ error: number; payload: Buffer }> {
    return await this.ask(
      Opcode.READ,
      1,
      pack([64, file], [64, offset], [32, size], [32, 0], [64, 0], [32, 0], [32, 0]),
    );
  }

  async write(file: number, offset: number, data: Buffer): Promise<{ error: number; payload: Buffer }> {
    const head = pack([64, file], [64, offset], [32, data.length], [32, 0], [64, 0], [32, 0], [32, 0]);
    return await this.ask(Opcode.WRITE, 1, Buffer.concat([head, data]));
  }

  async create(parent: number, name: string, flags: number, mode = 0o644): Promise<{ error: number; payload: Buffer }> {
    const head = pack([32, flags], [32, mode], [32, 0], [32, 0]);
    return await this.ask(Opcode.CREATE, parent, Buffer.concat([head, text(name)]));
  }

  /** Names in a directory, read in pages of `size` bytes. */
  async list(node: number, size = 4096): Promise<string[]> {
    const directory = await this.opendir(node);
    const names: string[] = [];
    for (let place = 0; ;) {
      const body = pack([64, directory], [64, place], [32, size], [32, 0], [64, 0], [32, 0], [32, 0]);
      const { payload } = await this.ask(Opcode.READDIR, node, body);
      if (payload.length === 0) return names;
      for (let at = 0; at < payload.length;) {
        place = Number(payload.readBigUInt64LE(at + 8));
        const length = payload.readUInt32LE(at + 16);
        names.push(payload.subarray(at + 24, at + 24 + length).toString());
        at += 24 + Math.ceil(length / 8) * 8;
      }
    }
  }
}

/** A share as its guest reaches it; closed with the test. */
export async function share(
  directory: string,
  options: { readOnly?: boolean; budget?: NodeBudget } = {},
): Promise<Kernel> {
  const server = new ShareServer(await openShared(directory, options.readOnly ?? false), options.budget);
  onTestFinished(() => server.close());
  return new Kernel(server);
}

export function question(opcode: number, unique: bigint, node: number, body: Buffer): Buffer {
  const head = pack([32, 40 + body.length], [32, opcode], [64, unique], [64, node]);
  return Buffer.concat([head, pack([32, 1000], [32, 1000], [32, 1], [32, 0]), body]);
}

export function text(...names: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(names.flatMap((name) => [Buffer.from(name as string), Buffer.from([0])]));
}

function opened({ error, payload }: { error: number; payload: Buffer }): number {
  return error === 0 ? Number(payload.readBigUInt64LE(0)) : error;
}
