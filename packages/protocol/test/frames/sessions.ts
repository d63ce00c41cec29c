import {
  encodeCredit,
  encodeData,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameDecoder,
  FrameType,
  type Sender,
  syncBytes,
} from "../../src/frames/index.js";

export const nonce = "00112233445566778899aabbccddeeff";

/** A guest's side of a session with every type of frame it may send. */
export function guestSession(): Uint8Array {
  const lookalike = Buffer.concat([syncBytes, Buffer.from("4d11000001000000", "hex"), syncBytes]);
  return Buffer.concat([
    syncBytes,
    ...encodeMessage(FrameType.WELCOME, 0, { gen: 1, nonce, agent: "0.1.0", caps: ["exec"] }),
    ...encodeMessage(FrameType.RESUMED, 0, {}),
    ...encodeMessage(FrameType.EVENT, 1, { event: "started", pid: 7 }),
    ...encodeData(1, Buffer.from("hello")),
    ...encodeData(1, lookalike),
    ...encodeData(1, Buffer.from("oops"), FrameType.DATA_ERR),
    ...encodeFrame(FrameType.DATA, 1),
    ...encodeCredit(1, 262_144),
    ...encodeFrame(FrameType.END, 1),
    ...encodeMessage(FrameType.RESULT, 1, { exit_code: 0 }),
    ...encodeMessage(FrameType.ERROR, 2, { kind: "io", errno: null, message: "", outcome: "unknown" }),
    syncBytes,
  ]);
}

/** Everything a decoder says about the chunks: frames as text, then the kind of violation, if any. */
export function read(chunks: Iterable<Uint8Array>, from: Sender = "guest", decoder = new FrameDecoder(from)): string[] {
  const seen: string[] = [];
  try {
    for (const chunk of chunks) for (const frame of decoder.push(chunk)) seen.push(show(frame));
  } catch (error) {
    const { code, context } = error as { code: string; context: { violation?: string } };
    seen.push(`${code} ${String(context.violation)}`);
  }
  return seen;
}

export function show(frame: Frame): string {
  return `${frame.type} ${frame.flags} ${frame.stream} ${Buffer.from(frame.payload).toString("hex")}`;
}

/** The bytes in pieces of the given lengths, again and again. */
export function* split(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[i % Math.max(1, lengths.length)] ?? bytes.length);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
