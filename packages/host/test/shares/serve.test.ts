import { readdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { openShared } from "../../src/shares/open-shared.js";
import { serveShares } from "../../src/shares/serve.js";
import { ShareServer } from "../../src/shares/share-server.js";
import { Opcode, pack } from "../../src/shares/wire.js";
import { emptyDirectory, question, text } from "./kernel.js";

/** A served port, and the guest's end of it. */
async function served(directory = emptyDirectory()): Promise<{ guest: Socket; ended: Promise<string | undefined> }> {
  const path = join(emptyDirectory(), "s");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const guest = connect(path);
  const port = await accepted;
  server.close();
  for (const end of [guest, port]) end.on("error", () => undefined);
  const ended = serveShares(port, [new ShareServer(await openShared(directory, false))]);
  return { guest, ended };
}

function framed(share: number, message: Buffer): Buffer {
  return Buffer.concat([pack([32, share]), message]);
}

/** Answers until that many are there, by what they answer: their errors. */
async function answers(guest: Duplex, count: number): Promise<Map<bigint, number>> {
  const found = new Map<bigint, number>();
  let rest = Buffer.alloc(0);
  for await (const chunk of guest as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 20 && rest.length >= 4 + rest.readUInt32LE(4)) {
      found.set(rest.readBigUInt64LE(12), rest.readInt32LE(8));
      rest = rest.subarray(4 + rest.readUInt32LE(4));
    }
    if (found.size === count) return found;
  }
  throw new Error("the port ended before");
}

test("messages are understood however they are cut into pieces", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "");
  const { guest, ended } = await served(directory);
  const all = Buffer.concat([
    framed(0, question(Opcode.LOOKUP, 2n, 1, text("a"))),
    framed(0, question(Opcode.LOOKUP, 4n, 1, text("none"))),
    framed(0, question(Opcode.GETATTR, 6n, 1, Buffer.alloc(16))),
  ]);
  const answered = answers(guest, 3);
  for (const byte of all) guest.write(Buffer.from([byte]));
  expect(await answered).toEqual(
    new Map([
      [2n, 0],
      [4n, -2],
      [6n, 0],
    ]),
  );
  guest.destroy();
  expect(await ended).toBeUndefined();
});

test("a guest that asks without end and reads no answer is not asked on, and costs a bounded amount", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), Buffer.alloc(131_072));
  const { guest, ended } = await served(directory);
  guest.write(framed(0, question(Opcode.LOOKUP, 2n, 1, text("a"))));
  guest.write(framed(0, question(Opcode.OPEN, 4n, 2, pack([32, 0], [32, 0]))));
  let taken = 0;
  const body = pack([64, 1], [64, 0], [32, 131_072], [32, 0], [64, 0], [32, 0], [32, 0]);
  for (let unique = 6n; unique < 80_006n; unique += 2n) {
    guest.write(framed(0, question(Opcode.READ, unique, 1, body)), () => (taken += 1));
  }
  // What is taken no longer grows: the port is full of answers that nobody reads.
  for (let before = -1; before !== taken; await new Promise((resolve) => setTimeout(resolve, 200))) before = taken;
  expect(taken).toBeLessThan(10_000);
  guest.destroy();
  await ended;
});

test.each([
  ["of no share", pack([32, 7], [32, 56], [32, 1], [64, 2], [64, 1], [32, 0], [32, 0], [32, 0], [32, 0])],
  ["too short to be one", pack([32, 0], [32, 39], [32, 1], [64, 2], [64, 1], [32, 0], [32, 0], [32, 0], [32, 0])],
  ["too long", pack([32, 0], [32, 0xffffffff], [32, 1], [64, 2], [64, 1], [32, 0], [32, 0], [32, 0], [32, 0])],
  ["with half of its operands", framed(0, question(Opcode.WRITE, 2n, 1, Buffer.alloc(8)))],
])("a message %s ends the port, and says why", async (_what, bytes) => {
  const { guest, ended } = await served();
  guest.write(bytes);
  expect(await ended).toMatch(/./);
});

test("random bytes end the port or are answered; nothing is changed and nothing is left open", async () => {
  const seed = Number(process.env["MVM_SEED"] ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  const directory = emptyDirectory();
  writeFileSync(join(directory, "a"), "kept");
  const handles = (): number => readdirSync("/proc/self/fd").length;
  const before = handles();
  for (let round = 0; round < 300; round++) {
    const { guest, ended } = await served(directory);
    guest.resume();
    for (let count = random(20); count > 0; count--) {
      const body = Buffer.from(Array.from({ length: random(120) }, () => random(256)));
      // Everything but what could remove the one file by its true name, which no random name is.
      guest.write(framed(0, question(random(60), BigInt(count * 2), random(4), body)));
    }
    guest.end();
    await ended;
  }
  expect(readdirSync(directory)).toContain("a");
  expect(handles()).toBeLessThan(before + 20);
}, 60_000);
