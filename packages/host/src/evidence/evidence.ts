import process from "node:process";
import {
  AuditLog,
  defaultTenant,
  evidenceLayout,
  openDigestKey,
  openSigningKey,
  type ChainState,
  type EntryFacts,
  type SigningKey,
} from "@mvm/evidence";
import { SandboxDependencyError } from "@mvm/protocol";
import type { Logger } from "../observe/log.js";
import type { Sandbox } from "../sandboxes/sandbox.js";
import { EgressRecord } from "./egress-record.js";

/** What an entry is about. Data holds ids, hashes, counts and names of states only. */
export type About = Pick<EntryFacts, "sandboxId" | "runId" | "data"> & {
  /** Whose chain it is in. Absent: that of the host itself. */
  readonly tenant?: string | undefined;
};

/** A begin that is in the log. */
export interface Begun {
  readonly id: string;
  readonly seq: number;
  readonly event: string;
  readonly about: About;
}

/** The keys of what this daemon signs besides the log. */
export interface EvidenceKeys {
  readonly receipt: SigningKey;
  readonly argv: Buffer;
}

/** The daemon's history: what it does is in it first, or is not done. */
export class Evidence {
  /** Whose chain what the host does for nobody in particular is in. */
  readonly tenant = defaultTenant;
  private readonly actor = { uid: process.geteuid?.() ?? -1, pid: process.pid };
  private readonly pending = new Set<Promise<unknown>>();
  private readonly waysOut = new Map<Sandbox, EgressRecord>();

  private constructor(
    private readonly audit: AuditLog | null,
    private readonly ownKeys: EvidenceKeys | null,
    private readonly unavailable: unknown,
    private readonly log: Logger,
  ) {}

  /** A history that cannot be opened does not keep the daemon from starting: it refuses what would have to be recorded. */
  static async open(home: string, log: Logger): Promise<Evidence> {
    let audit: AuditLog | null = null;
    try {
      audit = await AuditLog.open(home);
      const { keys } = evidenceLayout(home);
      const evidence = new Evidence(
        audit,
        { receipt: openSigningKey(keys, "receipt"), argv: openDigestKey(keys) },
        null,
        log,
      );
      const problem = await audit.problem(evidence.tenant);
      if (problem !== null) log.error({ err: problem.message }, "the audit log cannot be written to");
      return evidence;
    } catch (error) {
      await audit?.close();
      log.error({ err: (error as Error).message }, "the audit log cannot be opened");
      return new Evidence(null, null, error, log);
    }
  }

  /** @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE */
  get keys(): EvidenceKeys {
    if (this.ownKeys === null) throw this.refusal();
    return this.ownKeys;
  }

  /**
   * Resolves once the entry would survive a power failure; only then may happen what it announces. What ends something or
   * has happened already is `reserved`: there is room kept for it on a full disk.
   * @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: it must not happen
   */
  async record(event: string, about: About, options: { readonly reserved?: boolean } = {}): Promise<Begun> {
    if (this.audit === null) throw this.refusal();
    const { tenant = this.tenant, ...facts } = about;
    const { id, seq } = await this.audit.append(tenant, { event, actor: this.actor, ...facts }, options);
    return { id, seq, event, about };
  }

  /** Like {@link record}, for an operation whose end will be recorded too. */
  begin(event: string, about: About, options?: { readonly reserved?: boolean }): Promise<Begun> {
    return this.record(`${event}.begin`, about, options);
  }

  /**
   * Closes a begin. Never rejects: the effect is there already, and a begin without an end is closed by `interrupted` at
   * the next start.
   */
  end(begun: Begun, data: About["data"] & object, about: Omit<About, "data"> = {}): Promise<void> {
    const { sandboxId = null, runId = null, tenant } = begun.about;
    const event = begun.event.replace(/begin$/, "end");
    return this.note(event, { tenant, sandboxId, runId, ...about, data: { begin: begun.id, ...data } });
  }

  /** Records what has happened. Never rejects. */
  note(event: string, about: About): Promise<void> {
    const work = this.record(event, about, { reserved: true }).then(
      () => undefined,
      (error: unknown) =>
        this.log.error({ event, err: (error as Error).message }, "an entry is missing in the audit log"),
    );
    this.keep(work);
    return work;
  }

  /** It is waited for before the log is closed. */
  private keep(work: Promise<void>): void {
    this.pending.add(work);
    void work.finally(() => this.pending.delete(work));
  }

  /** How far the history is. @throws {SandboxDependencyError} code AUDIT_UNAVAILABLE: it cannot be written */
  async state(): Promise<ChainState> {
    if (this.audit === null) throw this.refusal();
    const problem = await this.audit.problem(this.tenant);
    if (problem !== null) throw problem;
    return await this.audit.state(this.tenant);
  }

  /** Records how a sandbox ends, whoever ends it. */
  watch(sandbox: Sandbox): void {
    sandbox.events.once("ended", (state, reason) => {
      const flushed = this.waysOut.get(sandbox)?.flush();
      this.waysOut.delete(sandbox);
      if (flushed !== undefined) this.keep(flushed);
      void this.note("sandbox.ended", { tenant: sandbox.plan.tenant, sandboxId: sandbox.id, data: { state, reason } });
    });
  }

  /** What a sandbox's way out leaves in its tenant's chain, for as long as the sandbox is there. */
  wayOut(sandbox: Sandbox): EgressRecord {
    let found = this.waysOut.get(sandbox);
    if (found === undefined) {
      const about = { tenant: sandbox.plan.tenant, sandboxId: sandbox.id };
      found = new EgressRecord({ record: (event, facts) => this.record(event, facts), about, log: this.log });
      this.waysOut.set(sandbox, found);
    }
    return found;
  }

  async close(): Promise<void> {
    // Commands that were cut off by the end of the daemon say so on their next turn.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([...this.waysOut.values()].map((wayOut) => wayOut.flush()));
    await Promise.all(this.pending);
    await this.audit?.close();
  }

  private refusal(): Error {
    if (this.unavailable instanceof SandboxDependencyError) return this.unavailable;
    return new SandboxDependencyError({
      code: "AUDIT_UNAVAILABLE",
      message: `Cannot record the operation: ${(this.unavailable as Error).message}`,
      cause: this.unavailable,
    });
  }
}
