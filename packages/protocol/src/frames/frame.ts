/** Type byte of a frame. `SYNC` is not on the wire as a header: it is how the 16 sync bytes are delivered. */
export const FrameType = {
  SYNC: 0x00,
  HELLO: 0x01,
  WELCOME: 0x02,
  RESUME: 0x03,
  RESUMED: 0x04,
  REQUEST: 0x10,
  RESULT: 0x11,
  ERROR: 0x12,
  EVENT: 0x13,
  DATA: 0x20,
  DATA_ERR: 0x21,
  END: 0x22,
  CREDIT: 0x23,
  CANCEL: 0x24,
} as const;

/** A value of {@link FrameType}. */
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Which end sends. */
export type Sender = "host" | "guest";

/** First byte of a header. */
export const frameMagic = 0x4d;
/** Flag: the message goes on in the next frame of the stream. */
export const MORE = 1;

interface FrameRule {
  readonly name: string;
  readonly from: Sender | "both";
  /** Stream 0 only, any other stream only. */
  readonly session: boolean;
  readonly more: boolean;
  /** Payload length when the type fixes it. */
  readonly length: number | null;
}

const rule = (name: string, from: FrameRule["from"], rest: Partial<FrameRule> = {}): FrameRule => ({
  name,
  from,
  session: false,
  more: false,
  length: null,
  ...rest,
});

/** What each type on the wire may look like. */
export const frameRules: ReadonlyMap<number, FrameRule> = new Map<number, FrameRule>([
  [FrameType.HELLO, rule("HELLO", "host", { session: true })],
  [FrameType.WELCOME, rule("WELCOME", "guest", { session: true })],
  [FrameType.RESUME, rule("RESUME", "host", { session: true })],
  [FrameType.RESUMED, rule("RESUMED", "guest", { session: true })],
  [FrameType.REQUEST, rule("REQUEST", "host", { more: true })],
  [FrameType.RESULT, rule("RESULT", "guest", { more: true })],
  [FrameType.ERROR, rule("ERROR", "guest")],
  [FrameType.EVENT, rule("EVENT", "guest")],
  [FrameType.DATA, rule("DATA", "both")],
  [FrameType.DATA_ERR, rule("DATA_ERR", "guest")],
  [FrameType.END, rule("END", "both", { length: 0 })],
  [FrameType.CREDIT, rule("CREDIT", "both", { length: 4 })],
  [FrameType.CANCEL, rule("CANCEL", "host", { length: 0 })],
]);

/** Name of a type for messages and logs. */
export function frameName(type: number): string {
  return type === FrameType.SYNC ? "SYNC" : (frameRules.get(type)?.name ?? `0x${type.toString(16).padStart(2, "0")}`);
}

/** One frame. The payload may share memory with the chunk it arrived in: copy it before the chunk is reused. */
export interface Frame {
  readonly type: FrameType;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}
