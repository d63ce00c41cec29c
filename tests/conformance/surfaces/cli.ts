import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cli, startCli } from "../../support/cli.js";
import type { Answer, Document, Surface } from "../scenario.js";

type Verb = (options: Document) => {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly shape?: Shape;
};
type Shape = (document: Document) => unknown;

const text = (value: unknown): string => String(value);
const flags = (options: Document, names: Readonly<Record<string, string>>, unit = ""): string[] =>
  Object.entries(names).flatMap(([name, flag]) =>
    options[name] === undefined ? [] : [flag, text(options[name]) + unit],
  );
const pairs = (value: unknown, flag: string): string[] =>
  Object.entries((value ?? {}) as Document).flatMap(([key, one]) => [flag, `${key}=${text(one)}`]);
const switches = (options: Document, ...names: string[]): string[] =>
  names.filter((name) => options[name] === true).map((name) => `--${name}`);
const argv = (command: unknown): string[] =>
  Array.isArray(command) ? command.map(text) : ["/bin/sh", "-lc", text(command)];

function machine(options: Document): string[] {
  return [
    ...flags(options, { image: "--image", profile: "--profile", backend: "--backend", cpu: "--cpus" }),
    ...flags(options, { require_isolation: "--require-isolation" }),
    ...flags(options, { memory_mb: "--memory", disk_mb: "--disk" }, "M"),
    ...pairs(options["env"], "--env"),
    ...pairs(options["tags"], "--tag"),
  ];
}

const one =
  (verb: string): Verb =>
  ({ sandbox }) => ({ args: [verb, text(sandbox)] });

const verbs: Record<string, Verb> = {
  create: (o) => ({
    args: ["up", text(o["name"]), ...machine(o), ...flags(o, { ttl_seconds: "--ttl", idle_seconds: "--idle" }, "s")],
  }),
  connect: one("inspect"),
  list: (o) => ({ args: ["ls", ...pairs(o["tags"], "--tag")] }),
  one_shot: (o) => ({
    args: ["run", ...machine(o), ...flags(o, { timeout_seconds: "--timeout" }, "s"), "--", ...argv(o["command"])],
  }),
  run: (o) => ({
    args: [
      ...["exec", text(o["sandbox"]), ...flags(o, { cwd: "--cwd", user: "--user" })],
      ...flags(o, { max_output_bytes: "--max-output" }, "B"),
      ...flags(o, { timeout_seconds: "--timeout" }, "s"),
      ...[...pairs(o["env"], "--env"), "--", ...argv(o["command"])],
    ],
    ...(o["stdin"] !== undefined && { stdin: text(o["stdin"]) }),
  }),
  write: (o) => ({
    args: ["fs", "write", text(o["sandbox"]), text(o["path"]), ...switches(o, "exclusive", "append"), ...mode(o)],
    stdin: text(o["content"]),
  }),
  read: (o) => ({ args: ["fs", "read", text(o["sandbox"]), text(o["path"])] }),
  files: (o) => ({ args: ["fs", "ls", text(o["sandbox"]), text(o["path"])] }),
  stat: (o) => ({ args: ["fs", "stat", text(o["sandbox"]), text(o["path"])] }),
  mkdir: (o) => ({ args: ["fs", "mkdir", text(o["sandbox"]), text(o["path"])] }),
  rename: (o) => ({ args: ["fs", "mv", text(o["sandbox"]), text(o["from"]), text(o["to"])] }),
  remove: (o) => ({ args: ["fs", "rm", text(o["sandbox"]), text(o["path"]), ...switches(o, "recursive")] }),
  metrics: one("metrics"),
  forward: (o) => ({
    args: ["ports", "forward", text(o["sandbox"]), `${text(o["host_port"])}:${text(o["guest_port"])}`],
  }),
  ports: (o) => ({ args: ["ports", "ls", text(o["sandbox"])] }),
  unforward: (o) => ({ args: ["ports", "rm", text(o["sandbox"]), text(o["host_port"])] }),
  snapshot: (o) => ({ args: ["snapshot", "save", text(o["sandbox"]), ...flags(o, { name: "--name" })] }),
  snapshots: () => ({ args: ["snapshot", "ls"] }),
  verify: (o) => ({ args: ["snapshot", "verify", text(o["snapshot"])] }),
  forget: (o) => ({ args: ["snapshot", "rm", text(o["snapshot"])] }),
  export: (o) => ({ args: ["snapshot", "export", text(o["snapshot"]), text(o["file"])] }),
  import: (o) => ({
    args: ["snapshot", "import", text(o["file"]), ...flags(o, { name: "--name" })],
    shape: (document) => document["snapshot"],
  }),
  code: (o) => ({
    args: ["code", text(o["sandbox"]), ...flags(o, { language: "--language", context: "--context" })],
    stdin: text(o["code"]),
  }),
  install: (o) => ({
    args: [
      "packages",
      "install",
      text(o["sandbox"]),
      ...flags(o, { manager: "--manager" }),
      "--",
      ...argv(o["packages"]),
    ],
  }),
  restore: (o) => ({ args: ["snapshot", "restore", text(o["snapshot"]), ...flags(o, { name: "--name" })] }),
  fork: (o) => ({
    args: ["fork", text(o["sandbox"]), ...flags(o, { count: "--count" })],
    shape: (document) => document["forks"],
  }),
  pause: one("pause"),
  resume: one("resume"),
  cold: one("cold"),
  stop: one("stop"),
  again: one("start"),
  destroy: one("destroy"),
  detach: (o) => ({
    args: ["detach", text(o["sandbox"]), ...flags(o, { owner: "--owner" }), ...flags(o, { ttl_seconds: "--ttl" }, "s")],
  }),
  resize: (o) => ({ args: ["resize", text(o["sandbox"]), ...flags(o, { memory_mb: "--memory" }, "M")] }),
  ttl: (o) => ({ args: ["ttl", text(o["sandbox"]), `${text(o["ttl_seconds"])}s`] }),
};

function mode(options: Document): string[] {
  return options["mode"] === undefined ? [] : ["--mode", Number(options["mode"]).toString(8)];
}

/** The result of code has an `error` of its own, among others. */
function isErrorDocument(document: Document): boolean {
  return "error" in document && Object.keys(document).every((key) => key === "error" || key === "schema_version");
}

/** The command line: each operation is one `mvmctl --json`. Every process is a client of its own. */
export function cliSurface(home: string): Surface {
  const started = new Map<string, { readonly child: ChildProcess; output: string; readonly end: Promise<unknown> }>();

  const answerOf = (stdout: string, stderr: string, shape: Shape): Answer => {
    let document: Document;
    try {
      document = JSON.parse(stdout) as Document;
    } catch {
      throw new Error(`mvmctl printed no JSON document: ${stdout.slice(0, 200)} ${stderr.slice(0, 200)}`);
    }
    return isErrorDocument(document) ? { error: document["error"] as Document } : { result: shape(document) };
  };

  const processes: Record<string, (options: Document) => Promise<Answer>> = {
    async start({ sandbox, command }) {
      const child = startCli(["exec", text(sandbox), "--", ...argv(command)], { home });
      const process = { child, output: "", end: once(child, "close") };
      child.stdout?.on("data", (chunk) => (process.output += String(chunk)));
      const id = `${started.size + 1}`;
      started.set(id, process);
      return { result: { process: id } };
    },
    async feed({ process, text: words }) {
      started.get(text(process))?.child.stdin?.end(text(words));
      return { result: {} };
    },
    async watch({ sandbox, path }) {
      const child = startCli(["fs", "watch", text(sandbox), text(path), "--json"], { home });
      const process = { child, output: "", end: once(child, "close") };
      // Its first line says that the watch is under way.
      await new Promise<void>((resolve) => {
        child.stdout?.on("data", (chunk) => {
          process.output += String(chunk);
          if (process.output.includes("\n")) resolve();
        });
        child.once("close", () => resolve());
      });
      const id = `${started.size + 1}`;
      started.set(id, process);
      return { result: { watch: id } };
    },
    async changes({ watch }) {
      const found = started.get(text(watch));
      await found?.end;
      const [, ...lines] = (found?.output ?? "").split("\n").filter(Boolean);
      return {
        result: {
          changes: lines.map((line) => {
            const { event, ...rest } = JSON.parse(line) as Document;
            return { type: event, ...rest };
          }),
        },
      };
    },
    async wait({ process }) {
      const found = started.get(text(process));
      await found?.end;
      return { result: { exit_code: found?.child.exitCode, stdout: found?.output } };
    },
  };

  return {
    name: "cli",
    async call(operation, options) {
      const own = processes[operation];
      if (own) return own(options);
      if (operation === "leave") return { result: {} };
      if (operation === "logs") {
        const args = ["logs", text(options["sandbox"]), ...flags(options, { source: "--source" }), "--json"];
        const { code, stdout, stderr } = await cli(args, { home });
        if (code !== 0) return answerOf(stdout.toString(), stderr, (document) => document);
        return {
          result: {
            lines: stdout
              .toString()
              .split("\n")
              .filter(Boolean)
              .map((line) => JSON.parse(line) as unknown),
          },
        };
      }
      const verb = verbs[operation];
      if (verb === undefined) return "unsupported";
      const { args, stdin, shape = (document) => document } = verb(options);
      const at = args.indexOf("--");
      const withJson = at === -1 ? [...args, "--json"] : [...args.slice(0, at), "--json", ...args.slice(at)];
      const done = await cli(withJson, { home, ...(stdin !== undefined && { stdin }) });
      return answerOf(done.stdout.toString(), done.stderr, shape);
    },
    async close() {
      for (const { child, end } of started.values()) {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        await end;
      }
    },
  };
}
