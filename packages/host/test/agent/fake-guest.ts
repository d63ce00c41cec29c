import { connect, createServer, type Socket } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameDecoder,
  FrameType,
  parseMessage,
  syncBytes,
} from "@mvm/protocol/frames";

/** The guest's end of a real socket, scripted by a test: it may be honest or hostile. */
export interface Guest {
  readonly socket: Socket;
  send(type: FrameType, stream: number, payload?: Uint8Array): void;
  message(type: FrameType, stream: number, message: unknown): void;
  raw(bytes: Uint8Array | string): void;
  /** Called for every frame the host sends after SYNC. */
  onFrame: (frame: Frame, guest: Guest) => void;
}

/** An honest beginning: answers HELLO and RESUME. Returns false for other frames. */
export function greet(frame: Frame, guest: Guest): boolean {
  if (frame.type === FrameType.SYNC) return true;
  if (frame.type === FrameType.HELLO) {
    const { nonce } = parseMessage(frame.payload) as { nonce: string };
    guest.raw(syncBytes as Uint8Array);
    guest.message(FrameType.WELCOME, 0, { gen: 1, nonce, agent: "test", caps: ["exec"] });
    return true;
  }
  if (frame.type === FrameType.RESUME) {
    guest.message(FrameType.RESUMED, 0, {});
    return true;
  }
  return false;
}

/** Both ends of a Unix socket: the host's for a session, the guest's for the script. */
export async function socketPair(onFrame: Guest["onFrame"]): Promise<{ channel: Socket; guest: Guest }> {
  const path = join(mkdtempSync(join(tmpdir(), "agent-")), "s");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const channel = connect(path);
  const socket = await accepted;
  server.close();
  socket.on("error", () => undefined);
  const guest: Guest = {
    socket,
    onFrame,
    send: (type, stream, payload) => encodeFrame(type, stream, payload).forEach((part) => socket.write(part)),
    message: (type, stream, message) => encodeMessage(type, stream, message).forEach((part) => socket.write(part)),
    raw: (bytes) => void socket.write(bytes),
  };
  const decoder = new FrameDecoder("host");
  socket.on("data", (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) guest.onFrame(frame, guest);
  });
  return { channel, guest };
}
