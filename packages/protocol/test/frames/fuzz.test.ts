import { expect, test } from "vitest";
import { FrameDecoder, MessageAssembler, parseMessage } from "../../src/frames/index.js";
import { isSandboxError } from "../../src/index.js";
import { agentResultSchemas, checkError, checkEvent, checkResult, checkWelcome } from "../../src/schemas.js";
import { randomOf, seed } from "../support/seed.js";
import { guestSession } from "./sessions.js";

const rounds = 1_000_000;
const budgetMs = Number(process.env["MVM_FUZZ_MS"] ?? 5000);
const random = randomOf(seed);
const below = (limit: number): number => Math.floor(random() * limit);

/** One small change: a bit, a byte, a cut, a repetition, an insertion. */
function mutate(bytes: Buffer): Buffer {
  const at = below(bytes.length);
  switch (below(5)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << below(8));
      return bytes;
    case 1:
      bytes[at] = below(256);
      return bytes;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(20))]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - below(30)))]);
    default:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([below(256), 0, 0xff, 0x4d].slice(0, 1 + below(4))),
        bytes.subarray(at),
      ]);
  }
}

test(`a million mutated sessions meet only protocol violations (seed ${seed})`, { timeout: 60_000 }, () => {
  const original = Buffer.from(guestSession());
  const end = performance.now() + budgetMs;
  const counts = new Map<string, number>();
  let done = 0;
  const heap = process.memoryUsage().heapUsed;
  for (; done < rounds && performance.now() < end; done++) {
    let bytes: Buffer = Buffer.from(original);
    for (let changes = 1 + below(4); changes > 0 && bytes.length > 0; changes--) bytes = mutate(bytes);
    const decoder = new FrameDecoder("guest");
    if (below(4) === 0) decoder.scan(1000);
    const messages = new MessageAssembler();
    const cut = below(bytes.length + 1);
    try {
      for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        for (const frame of decoder.push(chunk)) {
          if (frame.type !== 0 && frame.type < 0x20) messages.push(frame);
        }
      }
    } catch (error) {
      if (!isSandboxError(error) || error.code !== "PROTOCOL_VIOLATION") throw error;
      const kind = String(error.context["violation"]);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
  }
  console.log(`seed ${seed}: ${done} sessions`, Object.fromEntries(counts));
  expect(done).toBeGreaterThan(1000);
  expect(counts.size).toBeGreaterThan(6);
  expect(process.memoryUsage().heapUsed - heap).toBeLessThan(256 * 1024 * 1024);
});

test(`mutated messages meet only protocol violations (seed ${seed})`, { timeout: 60_000 }, () => {
  const samples = [
    '{"gen":1,"nonce":"00112233445566778899aabbccddeeff","agent":"0.1.0","caps":["exec"]}',
    '{"exit_code":0,"signal":null,"timed_out":false,"oom_killed":false,"stdout_bytes":3,"stderr_bytes":0,"duration_ms":1.5,"cpu_ms":8}',
    '{"kind":"io","errno":null,"message":"\\u00e9","outcome":"unknown"}',
    '{"event":"started","pid":123}',
    '{"entries":[{"name":"a","type":"file","size":1,"mode":420,"uid":0,"gid":0,"mtime_ms":1}],"next":null}',
  ];
  const ops = Object.keys(agentResultSchemas) as (keyof typeof agentResultSchemas)[];
  const end = performance.now() + budgetMs / 2;
  let done = 0;
  for (; done < rounds && performance.now() < end; done++) {
    let bytes: Buffer = Buffer.from(samples[below(samples.length)] as string);
    for (let changes = below(3); changes > 0 && bytes.length > 0; changes--) bytes = mutate(bytes);
    try {
      const message = parseMessage(bytes);
      const op = ops[below(ops.length)] as keyof typeof agentResultSchemas;
      [checkWelcome, checkError, checkEvent, (value: unknown) => checkResult(op, value)][below(4)]?.(message);
    } catch (error) {
      if (!isSandboxError(error) || error.code !== "PROTOCOL_VIOLATION") throw error;
    }
  }
  expect(done).toBeGreaterThan(1000);
});
