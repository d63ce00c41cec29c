export { FrameDecoder } from "./decode.js";
export { encode, encodeCredit, encodeData, encodeFill, encodeFrame, encodeHeader, encodeMessage } from "./encode.js";
export { type Frame, frameMagic, frameName, FrameType, MORE, type Sender } from "./frame.js";
export { parseMessage } from "./json.js";
export { MessageAssembler } from "./messages.js";
export { syncBytes, SyncScanner } from "./sync.js";
export { violation, type Violation } from "./violation.js";

/** The number in a CREDIT frame's payload. The decoder has checked its length. */
export function creditOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
}
