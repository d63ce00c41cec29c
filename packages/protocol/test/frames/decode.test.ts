import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeData,
  encodeFrame,
  encodeHeader,
  encodeMessage,
  FrameDecoder,
  FrameType,
  syncBytes,
} from "../../src/frames/index.js";
import { limits } from "../../src/limits.js";
import { randomOf, seed } from "../support/seed.js";
import { guestSession, nonce, read, show, split } from "./sessions.js";

const session = guestSession();
const whole = read([session]);

describe("the decoder", () => {
  test("gives the same frames wherever the bytes are split in two", () => {
    expect(whole).toHaveLength(13);
    for (let cut = 0; cut <= session.length; cut++) {
      expect(read([session.subarray(0, cut), session.subarray(cut)])).toEqual(whole);
    }
  });

  test(`gives the same frames however often they are split (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 }), (lengths) => {
        expect(read(split(session, lengths))).toEqual(whole);
      }),
      { seed },
    );
    expect(read(split(session, [1]))).toEqual(whole);
  });

  test("says the same before a violation, wherever the bytes are split", () => {
    const broken = Buffer.concat([session, Buffer.from("4d2000000100000001000400", "hex")]);
    const expected = [...whole, "PROTOCOL_VIOLATION too_large"];
    for (const length of [1, 2, 7, 12, 13, 100, broken.length]) expect(read(split(broken, [length]))).toEqual(expected);
  });

  test("holds what arrived of a frame at any end of the bytes, and no more", () => {
    for (let end = 0; end <= session.length; end++) {
      const decoder = new FrameDecoder("guest");
      for (const chunk of split(session.subarray(0, end), [5])) for (const frame of decoder.push(chunk)) void frame;
      expect(decoder.pendingBytes).toBeLessThanOrEqual(end);
      if (!decoder.midFrame) expect(decoder.pendingBytes).toBe(0);
    }
  });

  test.each([0, 1, limits.framePayloadBytes])("takes a payload of %i bytes", (length) => {
    const payload = Buffer.alloc(length, 7);
    const bytes = Buffer.concat(encodeFrame(FrameType.DATA, 3, payload));
    for (const size of [bytes.length, 4096, 65_536]) {
      expect(read(split(bytes, [size]))).toEqual([show({ type: FrameType.DATA, flags: 0, stream: 3, payload })]);
    }
  });

  test("allocates for what arrived, not for what is declared", () => {
    const decoders = Array.from({ length: 2000 }, () => new FrameDecoder("guest"));
    const header = encodeHeader(FrameType.DATA, 1, limits.framePayloadBytes);
    const before = process.memoryUsage().arrayBuffers;
    for (const decoder of decoders)
      for (const chunk of [header, Buffer.from("x")]) expect([...decoder.push(chunk)]).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
    expect(decoders[0]?.capacity).toBeLessThanOrEqual(4096);
  });

  test("shares the memory of a payload that lies within a chunk", () => {
    const bytes = Buffer.concat(encodeData(1, Buffer.from("hello")));
    const [frame] = [...new FrameDecoder("guest").push(bytes)];
    expect(frame?.payload.buffer).toBe(bytes.buffer);
  });

  test("reads more than 100 000 small frames a second", () => {
    const frames = 200_000;
    const bytes = Buffer.concat(Array.from({ length: frames }, () => Buffer.concat(encodeData(1, Buffer.from("x")))));
    let best = 0;
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      const decoder = new FrameDecoder("guest");
      let count = 0;
      for (const chunk of split(bytes, [65_536]))
        for (const frame of decoder.push(chunk)) count += frame.payload.length;
      expect(count).toBe(frames);
      best = Math.max(best, frames / ((performance.now() - began) / 1000));
    }
    expect(best).toBeGreaterThan(100_000);
  });
});

describe("the search for SYNC", () => {
  const welcome = Buffer.concat(encodeMessage(FrameType.WELCOME, 0, { gen: 1, nonce, agent: "0", caps: [] }));
  const resumed = Buffer.concat(encodeMessage(FrameType.RESUMED, 0, {}));

  /** Reads as a host does: accepts the WELCOME with its nonce and notes what comes behind it. */
  function greet(chunks: Iterable<Uint8Array>, budget?: number): string[] {
    const decoder = new FrameDecoder("guest");
    decoder.scan(budget);
    const seen: string[] = [];
    try {
      for (const chunk of chunks) {
        for (const frame of decoder.push(chunk)) {
          seen.push(String(frame.type));
          const text = Buffer.from(frame.payload).toString();
          if (frame.type === FrameType.WELCOME && text.includes(nonce)) decoder.accept();
        }
      }
    } catch (error) {
      seen.push(String((error as { context: { violation?: string } }).context.violation));
    }
    return seen;
  }

  const expected = [FrameType.SYNC, FrameType.WELCOME, FrameType.RESUMED].map(String);
  const stale = Buffer.from(welcome.toString("latin1").replaceAll("0011", "ffff"), "latin1");
  const junk: Record<string, Uint8Array> = {
    nothing: Buffer.alloc(0),
    "half a frame": encodeHeader(FrameType.DATA, 4, 5000),
    "zero bytes": Buffer.alloc(1000),
    "half a SYNC": syncBytes.subarray(0, 9),
    "SYNC within SYNC": Buffer.concat([syncBytes.subarray(0, 13), syncBytes.subarray(0, 12)]),
    "SYNC without an answer": Buffer.concat([syncBytes, encodeHeader(FrameType.RESULT, 1, 0)]),
    "SYNC and half a header": Buffer.concat([syncBytes, Buffer.from("4d02", "hex")]),
    "SYNC and half a SYNC": Buffer.concat([syncBytes, syncBytes.subarray(0, 4)]),
    "SYNC twice": syncBytes as Uint8Array,
    "SYNC with a huge WELCOME": Buffer.concat([syncBytes, encodeHeader(FrameType.WELCOME, 0, 100_000)]),
    "the WELCOME of another session": Buffer.concat([syncBytes, stale]),
  };

  test.each(Object.entries(junk))("finds the answer behind %s, wherever the bytes are split", (name, before) => {
    const bytes = Buffer.concat([before, syncBytes, welcome, resumed]);
    const answered = name.startsWith("the WELCOME") ? ["0", "2", ...expected] : expected;
    for (const length of [1, 2, 3, 5, 11, 16, 17, bytes.length])
      expect(greet(split(bytes, [length]))).toEqual(answered);
  });

  test(`finds it behind random bytes (seed ${seed})`, () => {
    const random = randomOf(seed);
    const alphabet = [...syncBytes, 0x4d, 0x02, 0, 0];
    for (let round = 0; round < 300; round++) {
      const length = Math.floor(random() * 60);
      const before = Buffer.from(
        Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)] as number),
      );
      const bytes = Buffer.concat([before, syncBytes, welcome, resumed]);
      expect(greet(split(bytes, [1 + Math.floor(random() * 20)])).slice(-3), before.toString("hex")).toEqual(expected);
    }
  });

  test("gives up when it has discarded its budget, exactly", () => {
    const bytes = (length: number) => Buffer.concat([Buffer.alloc(length, 1), syncBytes, welcome, resumed]);
    const room = 1000 - syncBytes.length;
    expect(greet(split(bytes(room - welcome.length), [100]), 1000)).toEqual(expected);
    expect(greet(split(bytes(2000), [100]), 1000)).toEqual(["no_sync"]);
    expect(greet([Buffer.alloc(1001, 1)], 1000)).toEqual(["no_sync"]);
    expect(greet([Buffer.alloc(1000, 1)], 1000)).toEqual([]);
  });

  test("holds nothing of 16 MiB of zero bytes", () => {
    const decoder = new FrameDecoder("guest");
    decoder.scan();
    const began = performance.now();
    for (let i = 0; i < 15; i++) expect([...decoder.push(Buffer.alloc(1024 * 1024))]).toEqual([]);
    expect(decoder.pendingBytes).toBe(0);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
