import { isUtf8 } from "node:buffer";
import { isId } from "@mvm/protocol";
import { canonicalJson, parseCanonical, type Json } from "../canonical/json.js";
import { isTenant } from "./tenant.js";

/** Bytes of one line of a log, without its end. What is read from a disk is bounded like anything else. */
export const maxEntryBytes = 64 * 1024;

/** `prev` of the first entry of a chain, and the head of an empty one. */
export const genesis = "0".repeat(64);

/** Written at the next start for a begin whose end was never written: nobody knows how far it came. */
export const interruptedEvent = "interrupted";

/** Who asked: user and process id on the host. */
export interface Actor {
  readonly uid: number;
  readonly pid: number;
}

/** What the caller of `append` decides; everything else of an entry is the writer's. */
export interface EntryFacts {
  /** Words joined by dots, such as `run.begin`. An event `x.begin` stays open until an `x.end` or `interrupted` names it. */
  readonly event: string;
  readonly sandboxId?: string | null;
  readonly runId?: string | null;
  readonly actor: Actor;
  /** Ids, hashes, counts and names of states. Of an `x.end` and `interrupted`: `begin` is the id of the entry it closes. */
  readonly data?: { readonly [key: string]: Json };
}

/** One line of a log, exactly as it is written. */
export interface Entry {
  readonly v: 1;
  readonly id: string;
  /** 1 for the first entry of a chain, then without gaps, also across segments. */
  readonly seq: number;
  readonly time: string;
  readonly tenant: string;
  readonly event: string;
  readonly sandbox_id: string | null;
  readonly run_id: string | null;
  readonly actor: Actor;
  readonly data: { readonly [key: string]: Json };
  /** SHA-256 of the bytes of the line before, without its line feed. */
  readonly prev: string;
}

const eventPattern = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*$/;
const hashPattern = /^[0-9a-f]{64}$/;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
const entryKeys = "actor data event id prev run_id sandbox_id seq tenant time v".split(" ");
const actorKeys = ["pid", "uid"];

/**
 * The line of an entry, without its line feed.
 * @throws {TypeError} the facts hold what an entry may not hold, or are larger than `maxEntryBytes`
 */
export function entryLine(entry: Entry): string {
  const line = canonicalJson(entry);
  if (Buffer.byteLength(line) > maxEntryBytes) throw new TypeError(`an entry has at most ${maxEntryBytes} bytes`);
  const problem = misshapen(entry);
  if (problem !== undefined) throw new TypeError(problem);
  return line;
}

/**
 * Reads a line as strictly as it was written.
 * @throws {TypeError | SyntaxError} it is no entry
 */
export function parseEntry(line: Uint8Array): Entry {
  if (line.byteLength > maxEntryBytes) throw new TypeError(`a line has at most ${maxEntryBytes} bytes`);
  if (!isUtf8(line)) throw new TypeError("the line is not UTF-8");
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("utf8");
  const value = parseCanonical(text) as unknown;
  const problem = isObject(value) ? misshapen(value) : "it is not an object";
  if (problem !== undefined) throw new TypeError(problem);
  return value as Entry;
}

/** The id of the begin that an entry closes. */
export function closes(entry: Pick<Entry, "event" | "data">): string | undefined {
  if (entry.event !== interruptedEvent && !entry.event.endsWith(".end")) return undefined;
  const { begin } = entry.data;
  return typeof begin === "string" ? begin : undefined;
}

export function opens(entry: Pick<Entry, "event">): boolean {
  return entry.event.endsWith(".begin");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasExactly(value: object, keys: readonly string[]): boolean {
  return Object.keys(value).length === keys.length && keys.every((key) => Object.hasOwn(value, key));
}

function misshapen(entry: { readonly [key in keyof Entry]?: unknown }): string | undefined {
  if (!hasExactly(entry, entryKeys)) return "it has other fields than an entry";
  const { v, id, seq, time, tenant, event, sandbox_id: sandboxId, run_id: runId, actor, data, prev } = entry;
  if (v !== 1) return "its version is not 1";
  if (typeof id !== "string" || !isId(id, "evt")) return "its id is not of the form evt_…";
  if (!Number.isSafeInteger(seq) || (seq as number) < 1) return "its sequence number is not a positive integer";
  if (typeof time !== "string" || !timePattern.test(time)) return "its time is not RFC 3339 in UTC";
  if (typeof tenant !== "string" || !isTenant(tenant)) return "its tenant is not a tenant's name";
  if (typeof event !== "string" || event.length > 64 || !eventPattern.test(event))
    return "its event is not a dotted name";
  if (sandboxId !== null && !(typeof sandboxId === "string" && isId(sandboxId, "sbx"))) return "its sandbox is no id";
  if (runId !== null && !(typeof runId === "string" && isId(runId, "run"))) return "its run is no id";
  if (!isObject(actor) || !hasExactly(actor, actorKeys)) return "its actor is not a user and a process";
  if (!Object.values(actor).every((part) => Number.isSafeInteger(part))) return "its actor is not made of numbers";
  if (!isObject(data)) return "its data is not an object";
  if (typeof prev !== "string" || !hashPattern.test(prev)) return "its link is not a SHA-256";
  return undefined;
}
