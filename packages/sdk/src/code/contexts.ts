import type { CodeLanguage, ContextInfoDocument, ContextRequest } from "@mvm/protocol";
import { segment } from "../client/index.js";
import { type CallOptions, callOf, type Target } from "../sandbox/target.js";
import { type CamelKeys, camelKeys } from "../wire/camel.js";
import { defined } from "../wire/options.js";

/** An interpreter that keeps its state between calls. Each language has names of its own. */
export type CodeContext = CamelKeys<ContextInfoDocument>;

/** Options for `contexts.create`. */
export interface CreateContextOptions extends CallOptions {
  /** @default a name that nobody has */
  readonly context?: string | undefined;
  /** @default "/home/user" */
  readonly cwd?: string | undefined;
}

/** The contexts of one sandbox. Calls make the ones they name by themselves. */
export class CodeContexts {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  /** Makes a context, so that its first call finds it; one that is there already is returned as it is. */
  async create(language: CodeLanguage, options: CreateContextOptions = {}): Promise<CodeContext> {
    const json: ContextRequest = defined({ language, context: options.context, cwd: options.cwd });
    const call = { method: "POST", path: "/code/contexts", operation: "contexts.create", json } as const;
    return camelKeys(await this.#target.client.json<ContextInfoDocument>(callOf(this.#target, call, options)));
  }

  /** The contexts that live. */
  async list(options?: CallOptions): Promise<CodeContext[]> {
    const call = { method: "GET", path: "/code/contexts", operation: "contexts.list" } as const;
    const answer = await this.#target.client.json<{ contexts: ContextInfoDocument[] }>(
      callOf(this.#target, call, options),
    );
    return answer.contexts.map(camelKeys);
  }

  /** Ends a context and everything its code started; a call in it returns. False when there is none of that name. */
  async delete(language: CodeLanguage, context: string, options?: CallOptions): Promise<boolean> {
    const path = `/code/contexts/${segment(language)}/${segment(context)}`;
    const call = { method: "DELETE", path, operation: "contexts.delete" } as const;
    return (await this.#target.client.json<{ deleted: boolean }>(callOf(this.#target, call, options))).deleted;
  }
}
