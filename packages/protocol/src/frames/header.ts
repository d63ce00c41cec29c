import { limits } from "../limits.js";
import { type Frame, frameMagic, frameName, frameRules, FrameType, MORE, type Sender } from "./frame.js";
import { violation } from "./violation.js";

/** A checked header: the payload that follows is of the declared length, which is within its limit. */
export interface Header {
  readonly type: FrameType;
  readonly flags: number;
  readonly stream: number;
  readonly length: number;
}

/**
 * Checks the 12 bytes at an offset against everything a header can violate, before a byte of payload is read.
 * Throws a `PROTOCOL_VIOLATION` whose context names the kind.
 */
export function readHeader(bytes: Uint8Array, at: number, from: Sender): Header {
  const byte = (offset: number): number => bytes[at + offset] as number;
  const u32 = (offset: number): number =>
    (byte(offset) | (byte(offset + 1) << 8) | (byte(offset + 2) << 16) | (byte(offset + 3) << 24)) >>> 0;
  if (byte(0) !== frameMagic) throw violation("bad_magic", `a frame begins with ${byte(0)}`);
  const type = byte(1);
  const rule = frameRules.get(type);
  if (rule === undefined) throw violation("bad_type", `the frame type ${frameName(type)} is not known`, { type });
  if (rule.from !== "both" && rule.from !== from) {
    throw violation("bad_direction", `${rule.name} came from the ${from}`, { type });
  }
  const flags = byte(2) | (byte(3) << 8);
  if (flags !== 0 && !(flags === MORE && rule.more)) {
    throw violation("bad_flags", `${rule.name} has the flags ${flags}`, { type, flags });
  }
  const stream = u32(4);
  if ((stream === 0) !== rule.session) throw violation("bad_stream", `${rule.name} is on stream ${stream}`, { type });
  const length = u32(8);
  if (length > limits.framePayloadBytes) {
    throw violation("too_large", `${rule.name} declares ${length} bytes`, { type, length });
  }
  if (rule.length !== null && length !== rule.length) {
    throw violation("bad_length", `${rule.name} declares ${length} bytes`, { type, length });
  }
  return { type: type as FrameType, flags, stream, length };
}

/** The sync bytes, as they are delivered. */
export const syncFrame: Frame = { type: FrameType.SYNC, flags: 0, stream: 0, payload: new Uint8Array(0) };
