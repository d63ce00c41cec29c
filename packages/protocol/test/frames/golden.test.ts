import { readFileSync } from "node:fs";
import { expect, describe, test } from "vitest";
import { encode, type Frame, FrameDecoder, frameName, FrameType, type Sender } from "../../src/frames/index.js";
import { read, show, split } from "./sessions.js";

interface Row {
  readonly name: string;
  readonly direction: "host-to-guest" | "guest-to-host";
  readonly hex: string;
  readonly frame?: {
    readonly type: number;
    readonly flags: number;
    readonly stream: number;
    readonly payload_hex: string;
  };
  readonly error?: string;
}

const rows = JSON.parse(readFileSync(new URL("../../fixtures/frames.json", import.meta.url), "utf8")) as Row[];
const senderOf = (row: Row): Sender => (row.direction === "host-to-guest" ? "host" : "guest");

describe("golden frames", () => {
  test.each(rows.filter((row) => row.frame))("$name", (row) => {
    const { type, flags, stream, payload_hex } = row.frame as NonNullable<Row["frame"]>;
    const frame = { type, flags, stream, payload: Buffer.from(payload_hex, "hex") } as Frame;
    const bytes = Buffer.from(row.hex, "hex");
    expect(read([bytes], senderOf(row))).toEqual([show(frame)]);
    expect(read(split(bytes, [1]), senderOf(row))).toEqual([show(frame)]);
    expect(Buffer.concat(encode(frame)).toString("hex")).toBe(row.hex);
  });

  test.each(rows.filter((row) => row.error))("$name is refused as $error", (row) => {
    const bytes = Buffer.from(row.hex, "hex");
    expect(read([bytes], senderOf(row))).toEqual([`PROTOCOL_VIOLATION ${String(row.error)}`]);
    expect(read(split(bytes, [1]), senderOf(row))).toEqual([`PROTOCOL_VIOLATION ${String(row.error)}`]);
  });

  test("every row has a frame or an error, and every type a row", () => {
    expect(rows.filter((row) => (row.frame === undefined) === (row.error === undefined))).toEqual([]);
    const types = new Set(rows.map((row) => row.frame?.type));
    const missing = Object.values(FrameType).filter((type) => type !== FrameType.SYNC && !types.has(type));
    expect(missing.map(frameName)).toEqual([]);
  });

  test("a violation is thrown again by every later push", () => {
    const decoder = new FrameDecoder("guest");
    for (let i = 0; i < 2; i++) expect(() => [...decoder.push(Buffer.from("X"))]).toThrow(/Cannot read the channel/);
  });
});
