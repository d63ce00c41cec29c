import { InvalidArgumentError } from "../errors/classes.js";
import { limits } from "../limits.js";
import { type Frame, frameMagic, FrameType, MORE } from "./frame.js";
import { syncBytes } from "./sync.js";
import { violation } from "./violation.js";

const nothing = new Uint8Array(0);
const utf8 = new TextEncoder();

/** The 12 bytes before a payload of that length. */
export function encodeHeader(type: FrameType, stream: number, length: number, flags = 0): Uint8Array {
  if (length > limits.framePayloadBytes) {
    throw violation("too_large", `a frame of ${length} bytes is more than ${limits.framePayloadBytes}`, { length });
  }
  const header = new Uint8Array(limits.frameHeaderBytes);
  const view = new DataView(header.buffer);
  header[0] = frameMagic;
  header[1] = type;
  view.setUint16(2, flags, true);
  view.setUint32(4, stream, true);
  view.setUint32(8, length, true);
  return header;
}

/** Header and payload as two buffers for `writev`: the payload is not copied. */
export function encodeFrame(type: FrameType, stream: number, payload: Uint8Array = nothing, flags = 0): Uint8Array[] {
  if (type === FrameType.SYNC) return [syncBytes];
  const header = encodeHeader(type, stream, payload.length, flags);
  return payload.length === 0 ? [header] : [header, payload];
}

/** The buffers of a frame object. */
export function encode(frame: Frame): Uint8Array[] {
  return encodeFrame(frame.type, frame.stream, frame.payload, frame.flags);
}

/** Raw bytes as DATA or DATA_ERR frames of at most 256 KiB. Credit is the caller's business. */
export function encodeData(
  stream: number,
  bytes: Uint8Array,
  type: typeof FrameType.DATA | typeof FrameType.DATA_ERR = FrameType.DATA,
): Uint8Array[] {
  const buffers: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += limits.framePayloadBytes) {
    buffers.push(...encodeFrame(type, stream, bytes.subarray(at, at + limits.framePayloadBytes)));
  }
  return buffers;
}

/** Allows the other end that many more bytes of data on the stream. */
export function encodeCredit(stream: number, bytes: number): Uint8Array[] {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  return encodeFrame(FrameType.CREDIT, stream, payload);
}

/**
 * A JSON message; REQUEST and RESULT are split with `MORE` when they are larger than a frame. Throws
 * `InvalidArgumentError` with the code `REQUEST_TOO_LARGE` for more than 4 MiB.
 */
export function encodeMessage(type: FrameType, stream: number, message: unknown): Uint8Array[] {
  const bytes = utf8.encode(JSON.stringify(message));
  if (bytes.length > limits.messageBytes) {
    throw new InvalidArgumentError({
      code: "REQUEST_TOO_LARGE",
      message: `Cannot send the message: ${bytes.length} bytes are more than ${limits.messageBytes}`,
    });
  }
  if (type !== FrameType.REQUEST && type !== FrameType.RESULT) return encodeFrame(type, stream, bytes);
  const buffers: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += limits.framePayloadBytes) {
    const part = bytes.subarray(at, at + limits.framePayloadBytes);
    buffers.push(...encodeFrame(type, stream, part, at + part.length < bytes.length ? MORE : 0));
  }
  return buffers;
}

/** What ends a frame that a dead daemon may have left unfinished in the guest: as many zeros as one can still lack. */
export function encodeFill(): Uint8Array {
  return new Uint8Array(limits.syncFillBytes);
}
