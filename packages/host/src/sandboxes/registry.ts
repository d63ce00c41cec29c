import { InvalidArgumentError, isId, SandboxUnavailable, type SandboxInfoDocument } from "@mvm/protocol";
import type { Process } from "../commands/process.js";
import { infoOf } from "./info.js";
import type { Sandbox } from "./sandbox.js";

/** Ended sandboxes that are remembered, so that a late `inspect` learns why. */
const rememberedEnds = 256;

/** Every sandbox of this daemon by id and name. One name, one sandbox: taking it is one synchronous step. */
export class Registry {
  private readonly byId = new Map<string, Sandbox>();
  private readonly byName = new Map<string, Sandbox>();
  private readonly past = new Map<string, { readonly info: SandboxInfoDocument; readonly detail: string | null }>();
  /** Commands of one-shot runs and of exec by their run id, for stdin. */
  readonly runs = new Map<string, Process>();
  /** Called with every sandbox that is added. */
  onAdd: (sandbox: Sandbox) => void = () => undefined;
  /** Called after a sandbox was added or forgotten. */
  onChange: () => void = () => undefined;

  /** @throws {InvalidArgumentError} code NAME_TAKEN */
  add(sandbox: Sandbox): void {
    const { name } = sandbox.plan;
    if (name !== null) {
      if (isId(name)) {
        throw new InvalidArgumentError({ message: `Cannot name a sandbox "${name}": that is the form of an id` });
      }
      if (this.byName.has(name)) {
        throw new InvalidArgumentError({
          code: "NAME_TAKEN",
          message: `Cannot create sandbox "${name}": the name is taken`,
          context: { holder: this.byName.get(name)?.id },
        });
      }
      this.byName.set(name, sandbox);
    }
    this.byId.set(sandbox.id, sandbox);
    this.onAdd(sandbox);
    this.onChange();
  }

  find(ref: string): Sandbox | undefined {
    return this.byId.get(ref) ?? this.byName.get(ref);
  }

  /** @throws {SandboxUnavailable} code SANDBOX_NOT_FOUND, or the state and reason of one that has ended */
  get(ref: string, operation: string): Sandbox {
    const sandbox = this.find(ref);
    if (sandbox !== undefined) return sandbox;
    const past = this.findPast(ref);
    if (past === undefined) throw notFound(ref, operation);
    const { info: ended, detail } = past;
    throw new SandboxUnavailable({
      message: `Cannot ${operation} sandbox "${ref}": it is ${ended.state} (${detail ?? ended.reason ?? "ended"})`,
      state: ended.state,
      reason: ended.reason,
      operation,
      sandboxId: ended.id,
    });
  }

  /** What is remembered of a sandbox that has ended; by name the latest. */
  findEnded(ref: string): SandboxInfoDocument | undefined {
    return this.findPast(ref)?.info;
  }

  private findPast(ref: string): { readonly info: SandboxInfoDocument; readonly detail: string | null } | undefined {
    return this.past.get(ref) ?? [...this.past.values()].reverse().find(({ info }) => info.name === ref);
  }

  /** Oldest first. */
  list(): Sandbox[] {
    return [...this.byId.values()];
  }

  ended(): SandboxInfoDocument[] {
    return [...this.past.values()].map(({ info }) => info);
  }

  get size(): number {
    return this.byId.size;
  }

  /** Removes a sandbox that has ended, and remembers how. Its name is free again. */
  forget(sandbox: Sandbox): void {
    if (!this.byId.delete(sandbox.id)) return;
    const { name } = sandbox.plan;
    if (name !== null && this.byName.get(name) === sandbox) this.byName.delete(name);
    this.past.set(sandbox.id, { info: infoOf(sandbox), detail: sandbox.endDetail });
    const oldest = this.past.keys().next().value;
    if (this.past.size > rememberedEnds && oldest !== undefined) this.past.delete(oldest);
    this.onChange();
  }
}

export function notFound(ref: string, operation: string): SandboxUnavailable {
  return new SandboxUnavailable({
    code: "SANDBOX_NOT_FOUND",
    message: `Cannot ${operation} sandbox ${JSON.stringify(ref)}: there is none of that name or id`,
    operation,
  });
}
