import { posix } from "node:path";
import type { ImageConfig } from "../image-config.js";
import type { BuildStep } from "../recipe/recipe.js";
import { type Instruction, problem } from "./parse.js";
import type { CopySource, Stage } from "./stages.js";
import { expand, type Lookup, splitPairs, splitWords } from "./words.js";

/** A copy whose sources are still names: of the context, or of another stage or image. */
export interface WantedCopy {
  readonly kind: "wanted-copy";
  readonly line: number;
  readonly text: string;
  readonly sources: readonly string[];
  readonly to: string;
  readonly owner: string;
  readonly mode: string | null;
  /** An ADD: archives would have to be unpacked. */
  readonly add: boolean;
  /** Where they lie; null: in the context. */
  readonly from: CopySource | null;
}

export interface Interpreted {
  readonly steps: readonly (Exclude<BuildStep, { kind: "copy" | "copy-from" }> | WantedCopy)[];
  readonly config: ImageConfig;
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const owners = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/;

/**
 * What the instructions of stages mean, one after the other, on an image of that configuration. Pure: nothing is read or run.
 * @param global values of the ARGs before the first FROM, and of the build
 * @throws {InvalidArgumentError} naming the line
 */
export function interpret(
  stages: readonly Stage[],
  base: ImageConfig,
  given: Readonly<Record<string, string>>,
  global: Readonly<Record<string, string>>,
): Interpreted {
  const state = new Interpreter(base, given, global);
  for (const { index, instructions } of stages) {
    state.beginStage(index);
    for (const instruction of instructions) state.take(instruction);
  }
  return { steps: state.steps, config: state.config() };
}

class Interpreter {
  readonly steps: Interpreted["steps"][number][] = [];
  private readonly env: Record<string, string>;
  private readonly labels: Record<string, string>;
  private readonly ports: Set<string>;
  private args: Record<string, string> = {};
  private shell: readonly string[] = ["/bin/sh", "-c"];
  private stage = 0;
  private cwd: string | null;
  private user: string | null;
  private entrypoint: readonly string[] | null;
  private command: readonly string[] | null;

  constructor(
    private readonly base: ImageConfig,
    private readonly given: Readonly<Record<string, string>>,
    private readonly global: Readonly<Record<string, string>>,
  ) {
    this.env = { ...base.env };
    this.labels = { ...base.labels };
    this.ports = new Set(base.ports);
    ({ cwd: this.cwd, user: this.user, entrypoint: this.entrypoint, command: this.command } = base);
  }

  /** ARGs live as long as their stage. */
  beginStage(index: number): void {
    this.stage = index;
    this.args = {};
    this.shell = ["/bin/sh", "-c"];
  }

  config(): ImageConfig {
    const { env, cwd, user, entrypoint, command, labels } = this;
    return { env, cwd, user, entrypoint, command, labels, ports: [...this.ports].sort(), warm: this.base.warm };
  }

  take(instruction: Instruction): void {
    const { keyword, line, flags, rest, json } = instruction;
    const flag = Object.keys(flags).find((name) => !(allowedFlags[keyword] ?? []).includes(name));
    if (flag !== undefined) throw problem(line, `--${flag} of ${keyword} is not supported`);
    if (rest === "") throw problem(line, `${keyword} says nothing`);
    switch (keyword) {
      case "RUN":
        return this.run(instruction);
      case "COPY":
      case "ADD":
        return this.copy(instruction);
      case "ENV":
        return void Object.assign(this.env, this.pairs(instruction));
      case "LABEL":
        return void Object.assign(this.labels, this.pairs(instruction));
      case "MAINTAINER":
        return void (this.labels["maintainer"] = rest);
      case "ARG":
        return this.declare(instruction);
      case "USER":
        this.user = this.words(rest)[0] ?? "";
        if (!owners.test(this.user)) throw problem(line, "USER names nobody");
        // A group of its own is a matter of the user's entry in the guest.
        this.user = this.user.split(":")[0] ?? this.user;
        return;
      case "WORKDIR":
        this.cwd = this.absolute(expand(rest, this.lookup));
        return void this.steps.push({ kind: "directory", text: `WORKDIR ${rest}`, path: this.cwd, owner: "" });
      case "EXPOSE":
        for (const port of this.words(rest)) {
          if (!/^\d{1,5}(\/(tcp|udp))?$/.test(port)) throw problem(line, `EXPOSE of ${JSON.stringify(port)}`);
          this.ports.add(port.includes("/") ? port : `${port}/tcp`);
        }
        return;
      case "SHELL":
        if (json === null || json.length === 0) throw problem(line, 'SHELL wants ["program", "argument"]');
        return void (this.shell = json);
      case "CMD":
        return void (this.command = json ?? [...this.shell, rest]);
      case "ENTRYPOINT":
        this.entrypoint = json ?? [...this.shell, rest];
        return;
    }
  }

  private run({ line, rest, json }: Instruction): void {
    if (json !== null && json.length === 0) throw problem(line, "RUN says nothing");
    const { user, cwd } = this;
    const argv = json ?? [...this.shell, rest];
    const env = { ...this.args, ...this.env };
    this.steps.push({ kind: "run", text: `RUN ${rest}`, argv, env, cwd: cwd ?? "/", user: user ?? "root" });
  }

  private copy({ keyword, line, flags, rest, json }: Instruction): void {
    const words = json === null ? this.words(rest) : json.map((word) => expand(word, this.lookup));
    const to = words.at(-1);
    if (words.length < 2 || to === undefined) throw problem(line, `${keyword} wants sources and a destination`);
    const sources = words.slice(0, -1);
    const remote = sources.find((source) => /^([a-z+]+:\/\/|git@)/i.test(source));
    if (remote !== undefined) {
      throw problem(
        line,
        `${keyword} does not download`,
        "Download it in a RUN, with --allow-host, or put it into the context",
      );
    }
    const owner = expand(flags["chown"] ?? "", this.lookup);
    const mode = flags["chmod"] === undefined ? null : expand(flags["chmod"], this.lookup);
    if (owner !== "" && !owners.test(owner)) throw problem(line, "--chown names nobody");
    if (mode !== null && !/^0?[0-7]{3,4}$/.test(mode)) throw problem(line, "--chmod wants three or four octal digits");
    const slash = to.endsWith("/") || to === "." ? "/" : "";
    const target = this.absolute(to);
    const place = target.endsWith("/") ? target : `${target}${slash}`;
    const name = flags["from"];
    const from = name === undefined ? null : { name, stage: this.stage, line };
    const text = `${keyword} ${name === undefined ? "" : `--from=${name} `}${rest}`;
    const wanted = { line, text, sources, to: place, owner, mode, add: keyword === "ADD", from };
    this.steps.push({ kind: "wanted-copy", ...wanted });
  }

  private declare({ line, rest }: Instruction): void {
    for (const word of this.words(rest)) {
      const equals = word.indexOf("=");
      const name = equals < 0 ? word : word.slice(0, equals);
      if (!/^[A-Za-z_]\w*$/.test(name)) throw problem(line, `ARG of ${JSON.stringify(name.slice(0, 40))}`);
      const value = this.given[name] ?? (equals < 0 ? this.global[name] : word.slice(equals + 1));
      if (value !== undefined) this.args[name] = value;
    }
  }

  private pairs({ keyword, line, rest }: Instruction): Record<string, string> {
    const pairs = splitPairs(rest, this.lookup);
    if (pairs === undefined) throw problem(line, `${keyword} wants NAME=VALUE`);
    return Object.fromEntries(pairs);
  }

  private words(text: string): string[] {
    return splitWords(text, this.lookup);
  }

  private absolute(path: string): string {
    return posix.resolve(this.cwd ?? "/", path);
  }

  private readonly lookup: Lookup = (name) => {
    if (Object.hasOwn(this.env, name)) return this.env[name];
    if (Object.hasOwn(this.args, name)) return this.args[name];
    return name === "PATH" ? defaultPath : undefined;
  };
}

const allowedFlags: Readonly<Record<string, readonly string[]>> = {
  COPY: ["chown", "chmod", "from"],
  ADD: ["chown", "chmod"],
};
