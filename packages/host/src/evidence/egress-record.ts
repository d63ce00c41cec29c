import type { Json } from "@mvm/evidence";
import type { EgressDecision } from "../egress/decision.js";
import type { Logger } from "../observe/log.js";
import type { About, Begun } from "./evidence.js";

/** Entries of their own that one sandbox gets for each event; what is beyond shares one, and is counted. */
export const maxKinds = 64;

/** How often repeats are written down at most. Milliseconds. */
const summaryEveryMs = 60_000;

type Facts = Readonly<Record<string, Json>>;

/** Decisions that differ in nothing an entry says. */
interface Kind {
  readonly facts: Facts;
  /** Its first entry, while that is being written and after. Undefined: it is not in the log. */
  first: Promise<void> | undefined;
  /** What happened again since the last summary. */
  repeats: number;
}

export interface EgressRecordOptions {
  /** Resolves once the entry would survive a power failure. */
  readonly record: (event: string, about: About) => Promise<Begun>;
  /** The sandbox, and whose chain it is in. */
  readonly about: Pick<About, "tenant" | "sandboxId">;
  readonly log: Logger;
}

/**
 * What one sandbox's way out leaves in the audit log: of each kind of decision the first at once, the others as counts, in
 * `<event>.summary` every minute and at its end. A guest can make any number of them, so entries and memory are bounded by
 * {@link maxKinds}. A crash loses counts, never a first.
 */
export class EgressRecord {
  readonly #options: EgressRecordOptions;
  readonly #events = new Map<string, Map<string, Kind>>();
  readonly #writing = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EgressRecordOptions) {
    this.#options = options;
  }

  /** Takes note of what was refused and cut. Never throws: an entry that cannot be written changes no decision. */
  decided(decision: EgressDecision): void {
    if (decision.decision === "refused") {
      const { host, port, reason, by } = decision;
      this.#seen("egress.denied", { host: cleanHost(host), port, reason, by });
    } else if (decision.decision === "ended" && decision.cut !== null) {
      const { host, port, cut } = decision;
      this.#seen("egress.cut", { host: cleanHost(host), port, reason: cut });
    }
  }

  /**
   * Resolves once it is in the log that a secret's value is sent to a host; only then may it be.
   * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: it must not be sent
   */
  use(secret: string, host: string): Promise<void> {
    const event = "secret.used";
    const { kind, known } = this.#kind(event, { secret, host: cleanHost(host) });
    return known ? known.then(() => this.#again(kind)) : this.#write(event, kind);
  }

  /** Writes the counts down that are not in the log yet. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What cannot be written now is counted when that has turned out.
    await Promise.all([...this.#events].map(([event, kinds]) => this.#summarize(event, kinds)));
    await Promise.all(this.#writing);
  }

  #seen(event: string, facts: Facts): void {
    const { kind, known } = this.#kind(event, facts);
    if (known) return this.#again(kind);
    this.#write(event, kind).catch((error: unknown) => {
      this.#again(kind);
      this.#missing(event, error);
    });
  }

  #kind(event: string, facts: Facts): { readonly kind: Kind; readonly known: Promise<void> | undefined } {
    let kinds = this.#events.get(event);
    if (kinds === undefined) this.#events.set(event, (kinds = new Map<string, Kind>()));
    const full = kinds.size >= maxKinds;
    let key = JSON.stringify(facts);
    if (full && !kinds.has(key)) [key, facts] = ["", { others: true }];
    let kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, (kind = { facts, first: undefined, repeats: 0 }));
    return { kind, known: kind.first };
  }

  #write(event: string, kind: Kind): Promise<void> {
    const { record, about } = this.#options;
    const first = record(event, { ...about, data: kind.facts }).then(
      () => undefined,
      (error: unknown) => {
        kind.first = undefined;
        throw error;
      },
    );
    kind.first = first;
    this.#pending(first);
    return first;
  }

  #again(kind: Kind): void {
    kind.repeats += 1;
    this.#timer ??= setTimeout(() => void this.flush(), summaryEveryMs).unref();
  }

  async #summarize(event: string, kinds: ReadonlyMap<string, Kind>): Promise<void> {
    const counted = [...kinds.values()].flatMap((kind) => (kind.repeats > 0 ? [{ kind, count: kind.repeats }] : []));
    if (counted.length === 0) return;
    for (const { kind } of counted) kind.repeats = 0;
    const { record, about } = this.#options;
    const repeated = counted.map(({ kind, count }) => ({ ...kind.facts, count }));
    try {
      const written = record(`${event}.summary`, { ...about, data: { repeated } }).then(() => undefined);
      this.#pending(written);
      await written;
    } catch (error) {
      for (const { kind, count } of counted) kind.repeats += count;
      this.#missing(`${event}.summary`, error);
    }
  }

  #pending(work: Promise<void>): void {
    const settled = work.catch(() => undefined).finally(() => this.#writing.delete(settled));
    this.#writing.add(settled);
  }

  #missing(event: string, error: unknown): void {
    const { log, about } = this.#options;
    log.error(
      { event, sandbox: about.sandboxId, err: (error as Error).message },
      "an entry is missing in the audit log",
    );
  }
}

/** A name as it may stand in an entry, whatever a guest has asked for. */
function cleanHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/[^a-z0-9.:_*-]/g, "?")
    .slice(0, 253);
}
