import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isSandboxError, VmBootTimeoutError } from "@mvm/protocol";
import { creditOf, FrameType, parseMessage, syncBytes } from "@mvm/protocol/frames";
import { openAgentSession } from "../../src/agent/session.js";
import { greet, type Guest, socketPair } from "./fake-guest.js";

const resume = { hostname: "h", machineId: "0".repeat(32) };
const execResult = {
  exit_code: 0,
  signal: null,
  timed_out: false,
  oom_killed: false,
  stdout_bytes: 0,
  stderr_bytes: 0,
  duration_ms: 1,
  cpu_ms: 1,
};

async function session(onFrame: Guest["onFrame"]) {
  const { channel, guest } = await socketPair(onFrame);
  return { session: openAgentSession(channel, { accel: "kvm", resume }), guest };
}

describe("openAgentSession", () => {
  it("pipelines requests behind HELLO and RESUME", async () => {
    const order: number[] = [];
    const { session: open } = await session((frame, guest) => {
      order.push(frame.type);
      if (!greet(frame, guest) && frame.type === FrameType.REQUEST)
        guest.message(FrameType.RESULT, frame.stream, execResult);
    });
    expect(await open.open({ op: "exec" }).result).toEqual(execResult);
    expect(order).toEqual([FrameType.SYNC, FrameType.HELLO, FrameType.RESUME, FrameType.REQUEST]);
    expect((await open.ready).agent).toBe("test");
    open.close();
  });

  it("finds SYNC and WELCOME behind what a dead session left in the channel", async () => {
    const { session: open } = await session((frame, guest) => {
      if (frame.type === FrameType.HELLO)
        guest.raw(Buffer.concat([randomBytes(100_000), syncBytes as Uint8Array, Buffer.from("not WELCOME")]));
      greet(frame, guest);
    });
    await open.ready;
    open.close();
  });

  it("an agent that is silent until the deadline is a passing error", async () => {
    const { channel } = await socketPair(() => undefined);
    const open = openAgentSession(channel, { accel: "kvm", resume, helloDeadline: "hello" });
    const failure: unknown = await open.ready.catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(VmBootTimeoutError);
    expect(failure).toMatchObject({ code: "VM_BOOT_TIMEOUT", transient: true, outcome: "not_started" });
    open.close();
  });

  it("gives every clone its own randomness and the present time", async () => {
    const seen: { entropy: string; time_ns: string }[] = [];
    for (let i = 0; i < 2; i++) {
      const { session: open } = await session((frame, guest) => {
        if (frame.type === FrameType.RESUME) seen.push(parseMessage(frame.payload) as never);
        greet(frame, guest);
      });
      await open.ready;
      open.close();
    }
    expect(seen[0]?.entropy).not.toBe(seen[1]?.entropy);
    expect(Buffer.from(seen[0]?.entropy ?? "", "base64")).toHaveLength(64);
    expect(Math.abs(Number(BigInt(seen[0]?.time_ns ?? 0) / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  it("rejects what is in flight with an unknown outcome when the guest goes away", async () => {
    const { session: open } = await session((frame, guest) => {
      if (!greet(frame, guest)) guest.socket.destroy();
    });
    await open.ready;
    const failure: unknown = await open.open({ op: "exec" }).result.catch((error: unknown) => error);
    expect(isSandboxError(failure) && [failure.name, failure.outcome]).toEqual(["OutcomeUnknownError", "unknown"]);
    const later: unknown = await open.open({ op: "exec" }).result.catch((error: unknown) => error);
    expect(isSandboxError(later) && later.outcome).toBe("not_started");
  });

  it.each<[string, (guest: Guest, stream: number) => void]>([
    ["a type only the host may send", (guest, stream) => guest.message(FrameType.REQUEST, stream, {})],
    ["a bad magic", (guest) => guest.raw("GET / HTTP/1.1\r\n")],
    ["a length beyond the limit", (guest) => guest.raw(Buffer.from("4d2000000100000001000400", "hex"))],
    [
      "an answer that does not fit its schema",
      (guest, stream) => guest.message(FrameType.RESULT, stream, { ...execResult, exit_code: "0" }),
    ],
    [
      "an answer with an unknown field",
      (guest, stream) => guest.message(FrameType.RESULT, stream, { ...execResult, extra: 1 }),
    ],
    ["an unknown event", (guest, stream) => guest.message(FrameType.EVENT, stream, { event: "sudo" })],
    [
      "JSON with a key twice",
      (guest, stream) => guest.send(FrameType.RESULT, stream, Buffer.from('{"exit_code":0,"exit_code":1}')),
    ],
    [
      "__proto__ in an answer",
      (guest, stream) => guest.send(FrameType.RESULT, stream, Buffer.from('{"__proto__":{}}')),
    ],
    [
      "more data than it was allowed",
      (guest, stream) => {
        for (let i = 0; i < 2; i++) guest.send(FrameType.DATA, stream, Buffer.alloc(256 * 1024));
      },
    ],
  ])("ends the session on %s", async (_name, hostile) => {
    const { session: open } = await session((frame, guest) => {
      if (!greet(frame, guest)) hostile(guest, frame.stream);
    });
    const failure: unknown = await open
      .open({ op: "exec" }, { manualCredit: true })
      .result.catch((error: unknown) => error);
    expect(isSandboxError(failure) && failure.outcome).toBe("unknown");
    expect((await open.closed).reason).toBe("protocol_violation");
  });

  it("ignores answers on streams it has closed or never opened", async () => {
    const { session: open } = await session((frame, guest) => {
      if (greet(frame, guest)) return;
      guest.message(FrameType.RESULT, 4_000, execResult);
      guest.send(FrameType.DATA, 4_001, Buffer.from("x"));
      guest.message(FrameType.RESULT, frame.stream, execResult);
      guest.message(FrameType.RESULT, frame.stream, execResult);
    });
    expect(await open.open({ op: "exec" }).result).toEqual(execResult);
    expect(await open.open({ op: "exec" }).result).toEqual(execResult);
    open.close();
  });

  it("delivers output that looks like frames as output", async () => {
    const forged = Buffer.concat([syncBytes as Uint8Array, Buffer.from('{"exit_code":0}')]);
    const got: Buffer[] = [];
    const { session: open } = await session((frame, guest) => {
      if (greet(frame, guest) || frame.type !== FrameType.REQUEST) return;
      guest.send(FrameType.DATA, frame.stream, forged);
      guest.message(FrameType.RESULT, frame.stream, { ...execResult, exit_code: 3 });
    });
    const result = await open.open({ op: "exec" }, { onData: (data) => got.push(Buffer.from(data)) }).result;
    expect(result).toMatchObject({ exit_code: 3 });
    expect(Buffer.concat(got)).toEqual(forged);
    open.close();
  });

  it("sends no more than the guest's credit and goes on when it gets more", async () => {
    let received = 0;
    let granted = 0;
    const { session: open } = await session((frame, guest) => {
      if (greet(frame, guest)) return;
      if (frame.type === FrameType.DATA) {
        received += frame.payload.length;
        if (received === 256 * 1024 + granted && granted < 512 * 1024) {
          granted += 128 * 1024;
          const payload = Buffer.alloc(4);
          payload.writeUInt32LE(128 * 1024);
          guest.send(FrameType.CREDIT, frame.stream, payload);
        }
      } else if (frame.type === FrameType.END) guest.message(FrameType.RESULT, frame.stream, { bytes: received });
    });
    const stream = open.open({ op: "write", path: "/x" });
    await stream.write(Buffer.alloc(700 * 1024));
    stream.end();
    expect(await stream.result).toEqual({ bytes: 700 * 1024 });
    expect(granted).toBeGreaterThanOrEqual(384 * 1024);
    open.close();
  });

  it("lets a writer go when the guest ends the stream before it has read everything", async () => {
    const { session: open } = await session((frame, guest) => {
      if (greet(frame, guest) || frame.type !== FrameType.REQUEST) return;
      guest.message(FrameType.ERROR, frame.stream, {
        kind: "no_space",
        errno: "ENOSPC",
        message: "disk full",
        outcome: "completed",
      });
    });
    const stream = open.open({ op: "write", path: "/x" });
    await stream.write(Buffer.alloc(1024 * 1024));
    await expect(stream.result).rejects.toMatchObject({ code: "FILE_NO_SPACE" });
    open.close();
  });

  it("grants consumed bytes back in portions, and only on request with manual credit", async () => {
    const credits: number[] = [];
    let manual = false;
    const { session: open } = await session((frame, guest) => {
      if (greet(frame, guest)) return;
      if (frame.type === FrameType.REQUEST) guest.send(FrameType.DATA, frame.stream, Buffer.alloc(200 * 1024));
      if (frame.type === FrameType.CREDIT) credits.push(creditOf(frame.payload));
      if (frame.type === FrameType.CANCEL) guest.message(FrameType.RESULT, frame.stream, execResult);
    });
    const automatic = open.open({ op: "exec" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(credits.reduce((sum, credit) => sum + credit, 0)).toBeGreaterThanOrEqual(128 * 1024);
    automatic.cancel();
    await automatic.result;
    credits.length = 0;
    manual = true;
    const held = open.open({ op: "exec" }, { manualCredit: manual });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(credits).toEqual([]);
    held.cancel();
    await held.result;
    open.close();
  });
});
