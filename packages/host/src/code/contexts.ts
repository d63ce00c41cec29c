import type { CodeLanguage, ContextInfoDocument } from "@mvm/protocol";
import { createError, limits } from "@mvm/protocol";
import type { Live, Sandbox } from "../sandboxes/sandbox.js";
import { requireLive } from "../sandboxes/state.js";
import { connectRunner, type Runner } from "./runner.js";

/** A context as this daemon knows it. */
interface Context {
  readonly createdAt: string;
  calls: number;
  /** Calls that run or wait, in order. */
  waiting: number;
  last: Promise<unknown>;
}

/** The contexts of one language in one machine. */
export class Contexts {
  readonly #live: Live;
  readonly #language: CodeLanguage;
  readonly #known = new Map<string, Context>();
  #runner: Promise<Runner> | undefined;

  constructor(live: Live, language: CodeLanguage) {
    this.#live = live;
    this.#language = language;
  }

  /** The runner, connected at the first call, and again when it has ended. */
  async runner(): Promise<Runner> {
    const current = await this.#runner?.catch(() => undefined);
    if (current !== undefined && !current.isOver) return current;
    if (current !== undefined) this.#known.clear();
    const connecting = (this.#runner = connectRunner(this.#live, this.#language));
    return await connecting;
  }

  /** Runs `work` when the calls before it in that context have ended. @throws too many contexts, or too many calls wait */
  async inTurn<T>(name: string, work: (runner: Runner) => Promise<T>): Promise<T> {
    const runner = await this.runner();
    const known = this.#known.get(name);
    if (known === undefined && this.#names(runner).size >= limits.codeContexts) {
      throw full(`${limits.codeContexts} contexts are there already`);
    }
    const context = known ?? { createdAt: new Date().toISOString(), calls: 0, waiting: 0, last: Promise.resolve() };
    if (context.waiting >= limits.codeWaiting) throw full(`${limits.codeWaiting} calls wait for the context`);
    this.#known.set(name, context);
    context.waiting += 1;
    const turn = context.last.then(async () => {
      context.calls += 1;
      return work(await this.runner());
    });
    context.last = turn.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await turn;
    } finally {
      context.waiting -= 1;
      if (context.waiting === 0 && !runner.contexts.has(name) && this.#known.get(name) === context) {
        this.#known.delete(name);
      }
    }
  }

  async list(): Promise<ContextInfoDocument[]> {
    const runner = await this.#runner?.catch(() => undefined);
    if (runner === undefined || runner.isOver) return [];
    return [...this.#names(runner)].map((name) => {
      const { createdAt, calls = 0, waiting = 0 } = this.#known.get(name) ?? {};
      const since = createdAt ?? new Date(0).toISOString();
      return { context: name, language: this.#language, calls, busy: waiting > 0, created_at: since };
    });
  }

  /** Ends a context; false when there is none. */
  async delete(name: string): Promise<boolean> {
    const runner = await this.#runner?.catch(() => undefined);
    if (runner === undefined || !runner.contexts.has(name)) return false;
    runner.contexts.delete(name);
    if ((this.#known.get(name)?.waiting ?? 0) === 0) this.#known.delete(name);
    runner.request({ op: "kill", context: name, why: "deleted" });
    return true;
  }

  #names(runner: Runner): Set<string> {
    return new Set([...runner.contexts, ...this.#known.keys()]);
  }
}

const byMachine = new WeakMap<Live, Map<CodeLanguage, Contexts>>();

/** The contexts of a running sandbox. @throws {SandboxUnavailable} it does not run */
export function contextsOf(sandbox: Sandbox, language: CodeLanguage): Contexts {
  const live = requireLive(sandbox, "run code in");
  const languages = byMachine.get(live) ?? new Map<CodeLanguage, Contexts>();
  byMachine.set(live, languages);
  const contexts = languages.get(language) ?? new Contexts(live, language);
  languages.set(language, contexts);
  return contexts;
}

function full(why: string): Error {
  return createError("GUEST_LIMIT", {
    message: `Cannot run the code: ${why}`,
    hint: "Delete a context, or wait until a call has ended",
    response: { kind: "limit", errno: null },
  });
}
