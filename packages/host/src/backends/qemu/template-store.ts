import { randomBytes } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeWithMachines } from "./helpers.js";
import { templateFiles, type TemplateFiles } from "./paths.js";
import { templateKey, type TemplateInputs } from "./template-key.js";

/** A saved machine that any number of others start from. Immutable. */
export interface Template {
  readonly key: string;
  readonly files: TemplateFiles;
}

const makingPrefix = ".making-";

interface Making {
  readonly template: Promise<Template>;
  /** Of the caller that started it. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Templates below `$MVM_HOME/templates`, one directory each, named by key. A directory gets its name when it is
 * complete and durable, so whatever carries a key may be used and whatever does not is rubbish.
 */
export class TemplateStore {
  readonly #root: string;
  readonly #making = new Map<string, Making>();

  /** @param home the state root; this process is the only one that writes to it */
  constructor(home: string) {
    this.#root = join(home, "templates");
  }

  /** The template for these inputs, or undefined when it is not made yet. */
  async find(inputs: TemplateInputs): Promise<Template | undefined> {
    const key = templateKey(inputs);
    const files = templateFiles(join(this.#root, key));
    try {
      const record = JSON.parse(await readFile(files.record, "utf8")) as { key?: unknown; sizes?: unknown };
      const whole = record.key === key && JSON.stringify(record.sizes) === JSON.stringify(await sizesOf(files));
      return whole ? { key, files } : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Finds the template or has it made. Callers that ask for the same one at the same time share one making; when it ends
   * because its caller has gone, the next of them takes over.
   */
  async ensure(
    inputs: TemplateInputs,
    make: (files: TemplateFiles) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Template> {
    const key = templateKey(inputs);
    for (;;) {
      signal?.throwIfAborted();
      const found = await this.find(inputs);
      if (found !== undefined) return found;
      const shared = this.#making.get(key);
      if (shared === undefined) {
        const template = this.#make(key, inputs, make).finally(() => this.#making.delete(key));
        this.#making.set(key, { template, signal });
        return await template;
      }
      try {
        return await unlessAborted(shared.template, signal);
      } catch (error) {
        if (shared.signal?.aborted !== true) throw error;
      }
    }
  }

  /** Makes the template, also when there is one: machines that run on that keep their open files. */
  async replace(inputs: TemplateInputs, make: (files: TemplateFiles) => Promise<void>): Promise<Template> {
    return await this.#make(templateKey(inputs), inputs, make);
  }

  /** Takes a template out of use that machines fail to start from. Machines that run on it keep their open files. */
  async discard(key: string): Promise<void> {
    await rm(this.#putAway(key), { recursive: true, force: true });
  }

  /** Ends and removes what a killed making left behind. Returns the paths. */
  async sweep(): Promise<string[]> {
    const names = await readdir(this.#root).catch(() => [] as string[]);
    const stale = names.filter((name) => name.startsWith(makingPrefix)).map((name) => join(this.#root, name));
    await removeWithMachines(stale);
    return stale;
  }

  /** Takes the name from the template that has it, if one has. Returns where that is now. */
  #putAway(key: string): string {
    const away = join(this.#root, `${makingPrefix}discarded-${randomBytes(4).toString("hex")}`);
    try {
      renameSync(join(this.#root, key), away);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    return away;
  }

  async #make(key: string, inputs: TemplateInputs, make: (files: TemplateFiles) => Promise<void>): Promise<Template> {
    const making = join(this.#root, `${makingPrefix}${key}-${randomBytes(4).toString("hex")}`);
    await mkdir(making, { recursive: true, mode: 0o700 });
    try {
      const files = templateFiles(making);
      await make(files);
      const record = {
        schema_version: 1,
        key,
        created_at: new Date().toISOString(),
        sizes: await sizesOf(files),
        inputs,
      };
      await writeFile(files.record, JSON.stringify(record, null, 1), { mode: 0o600 });
      for (const path of [files.ram, files.state, files.disk, files.overlay, files.record, making]) await sync(path);
      // What has the name already is damaged or to be replaced. In one step: another making may end at the same time.
      const away = this.#putAway(key);
      renameSync(making, join(this.#root, key));
      await sync(this.#root);
      await rm(away, { recursive: true, force: true });
      return { key, files: templateFiles(join(this.#root, key)) };
    } finally {
      await rm(making, { recursive: true, force: true });
    }
  }
}

/** The promise's value, or a rejection with the signal's reason. The promise goes on. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A file that is cut short or gone is noticed at the next start, not by a guest. */
async function sizesOf({ ram, state, disk, overlay }: TemplateFiles): Promise<number[]> {
  return await Promise.all([ram, state, disk, overlay].map(async (path) => (await stat(path)).size));
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
