import { FrameType, type Frame, parseMessage } from "@mvm/protocol/frames";
import type { NetworkPolicyDocument } from "@mvm/protocol";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { openAgentSession } from "../../src/agent/session.js";
import { Egress, type EgressHost, type EgressOptions } from "../../src/egress/egress.js";
import type { EgressDecision } from "../../src/egress/decision.js";
import { OperatorFile } from "../../src/egress/operator-file.js";
import { Names } from "../../src/egress/resolve.js";
import { ServerTrust } from "../../src/egress/server-tls.js";
import type { Substitution } from "../../src/egress/substitution.js";
import { createLog } from "../../src/observe/log.js";
import { greet, type Guest, socketPair } from "../agent/fake-guest.js";
import { temporaryHome } from "../fixture/daemon.js";

/** One connection as a program in the guest sees it. */
export interface Program {
  send(data: string | Buffer): void;
  end(): void;
  /** It is killed. */
  die(): void;
  /** Called with what comes back, as it comes. */
  onData?: (data: Buffer) => void;
  onEnd?: () => void;
  /** What came back, and how it ended: in order, by a reset, or not yet. */
  readonly received: Buffer[];
  ended: "open" | "end" | "reset";
}

export interface Scene {
  readonly home: string;
  readonly host: EgressHost;
  readonly egress: Egress;
  readonly guest: Guest;
  readonly decisions: EgressDecision[];
  /** Rules the guest was last told. */
  readonly told: () => unknown;
  /** A program of the guest connects. */
  knock(host: string, port: number): Program;
}

/** The host's end as it is, on a real channel whose other end is a script that behaves like the guest's gateway. */
export async function scene(
  policy: NetworkPolicyDocument,
  operator: { overrides?: Record<string, string>; resolvers?: string[]; authorities?: string[] } = {},
  substitution?: Substitution,
  mayUse: EgressOptions["mayUse"] = () => Promise.resolve(),
): Promise<Scene> {
  const home = temporaryHome();
  mkdirSync(join(home, "policy"));
  writeFileSync(join(home, "policy", "network.json"), JSON.stringify(operator), { mode: 0o600 });
  const programs = new Map<number, Program>();
  const streams = new Map<number, { program: Program; early: (() => void)[] | undefined }>();
  let announcing = 0;
  let told: unknown;
  const { channel, guest } = await socketPair((frame, guest) => {
    if (greet(frame, guest)) return;
    if (frame.type === FrameType.REQUEST) open(frame);
    const stream = streams.get(frame.stream);
    if (stream === undefined) return;
    const { program } = stream;
    if (frame.type === FrameType.DATA) {
      program.received.push(Buffer.from(frame.payload));
      program.onData?.(program.received.at(-1)!);
    }
    if (frame.type === FrameType.END) {
      program.ended = "end";
      program.onEnd?.();
    }
    if (frame.type !== FrameType.CANCEL) return;
    program.ended = "reset";
    program.onEnd?.();
    streams.delete(frame.stream);
    guest.message(FrameType.ERROR, frame.stream, cancelled);
  });
  const open = (frame: Frame): void => {
    const request = parseMessage(frame.payload) as { op: string; connection: number; allow: unknown };
    if (request.op === "egress") {
      announcing = frame.stream;
      told = request.allow;
      guest.message(FrameType.EVENT, frame.stream, { event: "listening" });
    } else if (request.op === "accept") {
      const program = programs.get(request.connection)! as Program & { bind(stream: number): void };
      streams.set(frame.stream, { program, early: undefined });
      program.bind(frame.stream);
    }
  };
  const session = openAgentSession(channel, { accel: "kvm", resume: { hostname: "h", machineId: "0".repeat(32) } });
  onTestFinished(() => session.close());
  const decisions: EgressDecision[] = [];
  const network = new OperatorFile(home, createLog({ write: () => undefined }), home);
  const host = { operator: network, names: new Names(), trust: new ServerTrust() };
  const onDecision = (one: EgressDecision) => void decisions.push(one);
  const options = { host, session, accel: "kvm" as const, policy, mayUse, onDecision };
  const egress = new Egress({ ...options, substitution: () => substitution });
  await egress.announce();
  let connections = 0;
  return {
    ...{ home, host, egress, guest, decisions, told: () => told },
    knock(host, port) {
      const connection = ++connections;
      const waiting: ((stream: number) => void)[] = [];
      let bound: number | undefined;
      const when = (act: (stream: number) => void): void => void (bound === undefined ? waiting.push(act) : act(bound));
      const program = {
        received: [] as Buffer[],
        ended: "open" as Program["ended"],
        send: (data: string | Buffer) => when((stream) => guest.send(FrameType.DATA, stream, Buffer.from(data))),
        die: () => when((stream) => guest.message(FrameType.ERROR, stream, cancelled)),
        end: () => when((stream) => guest.send(FrameType.END, stream)),
        bind(stream: number) {
          bound = stream;
          waiting.splice(0).forEach((act) => act(stream));
        },
      };
      programs.set(connection, program);
      guest.message(FrameType.EVENT, announcing, { event: "connection", connection, host, port });
      return program;
    },
  };
}

const cancelled = { kind: "cancelled", errno: null, message: "cancelled", outcome: "not_started" };

/** Waits until something holds; the reason of a failure is what it was. */
export async function settles(what: () => unknown, expected: unknown): Promise<void> {
  await expect.poll(what, { timeout: 15_000, interval: 5 }).toEqual(expected);
}
