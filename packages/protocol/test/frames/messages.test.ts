import { describe, expect, test } from "vitest";
import {
  encodeMessage,
  type Frame,
  FrameDecoder,
  FrameType,
  MessageAssembler,
  MORE,
  parseMessage,
} from "../../src/frames/index.js";
import { InvalidArgumentError } from "../../src/index.js";
import { limits } from "../../src/limits.js";
import { checkError, checkEvent, checkResult, checkWelcome } from "../../src/schemas.js";

const parse = (text: string | Uint8Array): unknown => parseMessage(typeof text === "string" ? Buffer.from(text) : text);
const result = (payload: Uint8Array, flags = 0, stream = 1): Frame => ({
  type: FrameType.RESULT,
  flags,
  stream,
  payload,
});

describe("JSON of the other end", () => {
  test.each([
    "{}",
    "[]",
    "null",
    "1.5",
    "-0",
    '"a\\u00e9\\n"',
    '{"a":{"a":1},"b":[{"a":2},{"a":3}]}',
    " [1 , 2]\n",
    '{"":""}',
    '"\\\\"',
    '{"a\\"":1,"a":2}',
  ])("%s is read as it is", (text) => expect(parse(text)).toEqual(JSON.parse(text)));

  const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  test.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["half", '{"a":'],
    ["two values", "1 2"],
    ["a key twice", '{"a":1,"a":2}'],
    ["a key twice, spelt differently", '{"a":1,"\\u0061":2}'],
    ["a key twice within", '{"x":[0,{"a":1,"b":{},"a":2}]}'],
    ["__proto__", '{"__proto__":{}}'],
    ["__proto__ escaped", '{"\\u005f_proto__":{}}'],
    ["65 levels", deep(65)],
    ["50 000 levels", deep(50_000)],
    ["1e400", "[1e400]"],
    ["2^53", "9007199254740992"],
    ["-2^53 - 1", '{"a":-9007199254740993}'],
    ["a long number", "9".repeat(1_000_000)],
    ["half a pair", '"\\ud800"'],
    ["half a pair as a key", '{"\\udc00":1}'],
    ["invalid UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["a surrogate in UTF-8", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["a byte order mark", Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
    ["an unterminated string", '"aaa\\"'],
    ["a control character", '"\u0001"'],
    ["more than 4 MiB", `"${"x".repeat(limits.messageBytes - 1)}"`],
  ])("%s is refused", (_, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "PROTOCOL_VIOLATION" }) as Error);
  });

  test("the limits are exact, and strings of 4 MiB are no burden", () => {
    expect(parse(deep(64))).toBeDefined();
    expect(parse("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
    for (const text of [
      `"${"x".repeat(limits.messageBytes - 2)}"`,
      `"${"\\\\".repeat(limits.messageBytes / 2 - 1)}"`,
      `"${'\\"'.repeat(limits.messageBytes / 2 - 1)}"`,
    ]) {
      const began = performance.now();
      expect((parse(text) as string).length).toBeGreaterThan(1_000_000);
      expect(performance.now() - began).toBeLessThan(2000);
    }
  });

  test("a refusal names the place", () => {
    expect(() => parse('{"x":[0,{"a":1,"a":2}]}')).toThrow(/at "\/x\/1\/a"/);
  });
});

describe("messages in parts", () => {
  test("are joined per stream, also when streams alternate", () => {
    const messages = new MessageAssembler();
    expect(messages.push(result(Buffer.from('{"a":'), MORE, 1))).toBeUndefined();
    expect(messages.push(result(Buffer.from('{"b":'), MORE, 2))).toBeUndefined();
    expect(messages.push(result(Buffer.from("2}"), 0, 2))).toEqual({ message: { b: 2 } });
    expect(messages.push(result(Buffer.from("1}"), 0, 1))).toEqual({ message: { a: 1 } });
    expect(messages.push(result(Buffer.from("null"), 0, 1))).toEqual({ message: null });
    expect(messages.pendingBytes).toBe(0);
  });

  test("survive encoding, framing and decoding", () => {
    const message = { text: "x".repeat(1_000_000), more: ["é".repeat(100_000)] };
    const bytes = Buffer.concat(encodeMessage(FrameType.RESULT, 5, message));
    const messages = new MessageAssembler();
    const whole = [...new FrameDecoder("guest").push(bytes)].map((frame) => messages.push(frame));
    expect(whole.slice(0, -1).every((part) => part === undefined)).toBe(true);
    expect(whole.at(-1)).toEqual({ message });
  });

  test("end at 4 MiB, on either side", () => {
    const messages = new MessageAssembler();
    const part = Buffer.alloc(limits.framePayloadBytes, 0x20);
    for (let i = 0; i < 16; i++) expect(messages.push(result(part, MORE))).toBeUndefined();
    expect(() => messages.push(result(Buffer.from(" "), MORE))).toThrow(/4194305 bytes/);
    expect(() => encodeMessage(FrameType.REQUEST, 1, "x".repeat(limits.messageBytes))).toThrow(InvalidArgumentError);
  });

  test("together hold at most 64 MiB, and tiny parts are no burden", () => {
    const messages = new MessageAssembler();
    const part = Buffer.alloc(limits.framePayloadBytes, 0x20);
    expect(() => {
      for (let i = 0; i < 1000; i++) messages.push(result(part, MORE, i + 1));
    }).toThrow(/parts/);
    expect(messages.pendingBytes).toBe(64 * 1024 * 1024);
    messages.clear();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 500_000; i++) messages.push(result(Buffer.from(" "), MORE));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
    messages.drop(1);
    expect(messages.pendingBytes).toBe(0);
    expect(() => messages.push(result(Buffer.alloc(0), MORE))).toThrow(/empty/);
  });
});

describe("the agent's messages", () => {
  const exec = {
    exit_code: 0,
    signal: null,
    timed_out: false,
    oom_killed: false,
    stdout_bytes: 3,
    stderr_bytes: 0,
    duration_ms: 12.5,
    cpu_ms: 8.1,
  };

  test("of the right shape pass with their type", () => {
    expect(checkResult("exec", exec).exit_code).toBe(0);
    expect(checkResult("remove", { removed: 2 }).removed).toBe(2);
    expect(checkEvent({ event: "started", pid: 1 })).toEqual({ event: "started", pid: 1 });
    expect(checkWelcome({ gen: 2, nonce: "0".repeat(32), agent: "x", caps: [] }).gen).toBe(2);
    expect(checkError({ kind: "io", errno: "EIO", message: "", outcome: "unknown" }).kind).toBe("io");
  });

  test.each([
    null,
    5,
    [],
    {},
    { ...exec, more: 1 },
    { ...exec, exit_code: 256 },
    { ...exec, exit_code: "0" },
    { ...exec, stdout_bytes: -1 },
    { ...exec, stdout_bytes: 1.5 },
    { ...exec, signal: 65 },
  ])("%j is no result of exec", (message) =>
    expect(() => checkResult("exec", message)).toThrow(/RESULT of exec is not valid at/),
  );

  test("are checked in well under 10 microseconds", () => {
    for (let i = 0; i < 1000; i++) checkResult("exec", exec);
    const began = performance.now();
    for (let i = 0; i < 100_000; i++) checkResult("exec", exec);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
