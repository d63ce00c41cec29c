import { type FileWatch, isSandboxError, type Process, Sandbox, Snapshot } from "@mvm/sdk";
import type { Document, Surface } from "../scenario.js";

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const verbatim = new Set(["tags", "env"]);

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (typeof value !== "object" || value === null || value instanceof Date || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [rename(key), verbatim.has(key) ? one : renamed(one, rename)]),
  );
}

/** The TypeScript SDK: operations become its calls, one handle for each sandbox. */
export function typescriptSurface(home: string): Surface {
  let sandboxes = new Map<string, Sandbox>();
  const processes = new Map<string, Process>();
  const watches = new Map<string, FileWatch>();

  const keep = (sandbox: Sandbox): unknown => {
    sandboxes.set(sandbox.id, sandbox);
    if (sandbox.name !== null) sandboxes.set(sandbox.name, sandbox);
    return sandbox.info;
  };
  const at = async (ref: unknown): Promise<Sandbox> =>
    sandboxes.get(String(ref)) ?? (await Sandbox.connect(String(ref), { home }));
  const processOf = (id: unknown): Process => {
    const process = processes.get(String(id));
    if (process === undefined) throw new Error(`there is no process ${String(id)}`);
    return process;
  };
  const leave = async (): Promise<void> => {
    for (const sandbox of new Set(sandboxes.values())) await sandbox[Symbol.asyncDispose]();
    sandboxes = new Map();
  };

  const operations: Record<string, (o: Document) => Promise<unknown>> = {
    create: async (o) => keep(await Sandbox.create({ ...(renamed(o, camel) as Document), home })),
    connect: async ({ sandbox }) => (await Sandbox.connect(String(sandbox), { home })).info,
    list: async ({ tags }) => ({
      sandboxes: await Sandbox.list({ home, ...(tags ? { tags: tags as Record<string, string> } : {}) }),
    }),
    one_shot: async ({ command, timeout_seconds, ...o }) => {
      await using sandbox = await Sandbox.create({ ...(renamed(o, camel) as Document), home });
      return await sandbox.commands.run(command as string[], { timeoutSeconds: timeout_seconds as number });
    },
    run: async ({ sandbox, command, ...o }) =>
      (await at(sandbox)).commands.run(command as string[], renamed(o, camel) as Document),
    start: async ({ sandbox, command }) => {
      const process = await (await at(sandbox)).commands.start(command as string[]);
      processes.set(`${processes.size + 1}`, process);
      return { process: `${processes.size}` };
    },
    feed: async ({ process, text }) => {
      await processOf(process).writeStdin(String(text));
      await processOf(process).closeStdin();
    },
    wait: ({ process }) => processOf(process).wait(),
    signal: ({ process, signal }) => processOf(process).kill(String(signal)),
    write: async ({ sandbox, path, content, ...o }) =>
      (await at(sandbox)).files.write(String(path), String(content), o as object),
    read: async ({ sandbox, path }) => ({ content: await (await at(sandbox)).files.read(String(path)) }),
    files: async ({ sandbox, path }) => ({ entries: await (await at(sandbox)).files.list(String(path)) }),
    stat: async ({ sandbox, path }) => (await at(sandbox)).files.stat(String(path)),
    mkdir: async ({ sandbox, path }) => ({ created: await (await at(sandbox)).files.mkdir(String(path)) }),
    rename: async ({ sandbox, from, to }) => (await at(sandbox)).files.rename(String(from), String(to)),
    remove: async ({ sandbox, path, recursive }) => ({
      removed: await (await at(sandbox)).files.remove(String(path), { recursive: recursive === true }),
    }),
    watch: async ({ sandbox, path }) => {
      const watch = (await at(sandbox)).files.watch(String(path));
      await watch.ready;
      watches.set(`${watches.size + 1}`, watch);
      return { watch: `${watches.size}` };
    },
    changes: async ({ watch }) => {
      const changes: unknown[] = [];
      for await (const change of watches.get(String(watch)) ?? []) changes.push(change);
      return { changes };
    },
    logs: async ({ sandbox, source }) => {
      const lines: unknown[] = [];
      const options = source === undefined ? {} : { source: source as "guest" };
      for await (const line of (await at(sandbox)).logs(options)) lines.push(line);
      return { lines };
    },
    metrics: async ({ sandbox }) => (await at(sandbox)).metrics(),
    forward: async ({ sandbox, host_port, guest_port }) =>
      (await at(sandbox)).ports.forward({ hostPort: Number(host_port), guestPort: Number(guest_port) }),
    ports: async ({ sandbox }) => ({ ports: await (await at(sandbox)).ports.list() }),
    snapshot: async ({ sandbox, name }) =>
      (await (await at(sandbox)).snapshot(name === undefined ? {} : { name: String(name) })).info,
    snapshots: async () => ({ snapshots: (await Snapshot.list({ home })).map(({ info }) => info) }),
    verify: async ({ snapshot }) => (await Snapshot.get(String(snapshot), { home })).verify(),
    forget: async ({ snapshot }) => (await Snapshot.get(String(snapshot), { home })).remove(),
    export: async ({ snapshot, file }) => ({
      digest: await (await Snapshot.get(String(snapshot), { home })).export(String(file)),
    }),
    import: async ({ file, name }) =>
      (await Snapshot.import(String(file), { home, ...(name === undefined ? {} : { name: String(name) }) })).info,
    code: async ({ sandbox, language, code, ...o }) =>
      (await at(sandbox)).runCode(language as "python", String(code), renamed(o, camel) as Document),
    install: async ({ sandbox, packages, ...o }) =>
      (await at(sandbox)).packages.install(packages as string[], renamed(o, camel) as Document),
    restore: async ({ snapshot, name }) =>
      keep(await Sandbox.restore(String(snapshot), { home, ...(name === undefined ? {} : { name: String(name) }) })),
    fork: async ({ sandbox, count }) => (await (await at(sandbox)).fork({ count: Number(count) })).map(keep),
    pause: async ({ sandbox }) => (await at(sandbox)).pause(),
    resume: async ({ sandbox }) => (await at(sandbox)).resume(),
    cold: async ({ sandbox }) => (await at(sandbox)).cold(),
    stop: async ({ sandbox }) => (await at(sandbox)).stop(),
    again: async ({ sandbox }) => (await at(sandbox)).start(),
    destroy: async ({ sandbox }) => (await at(sandbox)).destroy(),
    detach: async ({ sandbox, ...o }) => (await at(sandbox)).detach(renamed(o, camel) as { ttlSeconds: number }),
    ttl: async ({ sandbox, ttl_seconds }) => (await at(sandbox)).setTtl(Number(ttl_seconds)),
    resize: async ({ sandbox, memory_mb }) => (await at(sandbox)).resize({ memoryMb: Number(memory_mb) }),
    leave,
  };

  // A forward is closed by its own handle: the operation gets it by its port.
  const forwards = new Map<string, { close(): Promise<void> }>();
  operations["unforward"] = async ({ host_port }) => forwards.get(String(host_port))?.close();

  return {
    name: "typescript",
    async call(operation, options) {
      const act = operations[operation];
      if (act === undefined) return "unsupported";
      try {
        const result = await act(options);
        if (operation === "forward") {
          const forward = result as { hostPort: number; close(): Promise<void> };
          forwards.set(String(forward.hostPort), forward);
        }
        return { result: renamed(result, snake) ?? {} };
      } catch (error) {
        if (!isSandboxError(error)) throw error;
        return { error: error.toDocument().error };
      }
    },
    close: leave,
  };
}
