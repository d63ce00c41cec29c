import { type Instruction, problem } from "./parse.js";
import { expand, type Lookup, splitWords } from "./words.js";

/** The instructions from one FROM to the next. */
export interface Stage {
  /** From 0, in the order of the file. */
  readonly index: number;
  readonly name: string | null;
  /** Image or earlier stage, variables put in. */
  readonly from: string;
  readonly line: number;
  readonly instructions: readonly Instruction[];
}

/** What a stage is made of. */
export interface StageChain {
  /** Image the first of them starts from. */
  readonly from: string;
  /** In order: each starts where the one before it ends. */
  readonly chain: readonly Stage[];
}

export interface Stages extends StageChain {
  /** ARGs before the first FROM. */
  readonly global: Readonly<Record<string, string>>;
  /**
   * The stage that a copy takes from; undefined: what it names is an image.
   * @throws {InvalidArgumentError} the stage is not finished at that line
   */
  source(copy: CopySource): StageChain | undefined;
}

/** What `COPY --from` names, and in which stage. */
export interface CopySource {
  readonly name: string;
  readonly stage: number;
  readonly line: number;
}

/**
 * What has to be built for a stage: a stage that starts from another one goes on where that one ends. Pure.
 * @param target name or number of the stage; undefined: the last one
 * @throws {InvalidArgumentError} naming the line
 */
export function stagesOf(
  instructions: readonly Instruction[],
  given: Readonly<Record<string, string>>,
  target?: string,
): Stages {
  const global: Record<string, string> = {};
  const lookup: Lookup = (name) => global[name];
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    const { keyword, line, rest, flags } = instruction;
    if (keyword === "FROM") {
      if (Object.keys(flags).length > 0) throw problem(line, `--${Object.keys(flags)[0]} of FROM is not supported`);
      const [from = "", as, name] = splitWords(rest, lookup);
      if (from === "" || (as !== undefined && (as.toLowerCase() !== "as" || name === undefined))) {
        throw problem(line, "FROM wants IMAGE or IMAGE AS NAME");
      }
      stages.push({ index: stages.length, name: name?.toLowerCase() ?? null, from, line, instructions: [] });
      continue;
    }
    const current = stages.at(-1);
    if (current !== undefined) {
      current.instructions.push(instruction);
    } else if (keyword === "ARG") {
      const [name = "", value] = rest.split(/=(.*)/s);
      const known = given[name] ?? (value === undefined ? undefined : expand(value, lookup));
      if (known !== undefined) global[name] = known;
    } else throw problem(line, `${keyword} comes before the first FROM`);
  }
  const last = target === undefined ? stages.at(-1) : stages[find(stages, target, stages.length)];
  if (last === undefined) throw problem(1, target === undefined ? "there is no FROM" : `there is no stage "${target}"`);
  return { ...chainTo(stages, last), global, source: (copy) => sourceOf(stages, copy) };
}

/** The last stage of a name, or the one of a number, before another; -1: there is none. */
function find(stages: readonly Stage[], name: string, before: number): number {
  return stages.findLastIndex(
    (stage, index) => index < before && (stage.name === name.toLowerCase() || String(index) === name),
  );
}

function chainTo(stages: readonly Stage[], last: Stage): StageChain {
  const chain = [last];
  for (let { from, index } = last; ;) {
    index = find(stages, from, index);
    const earlier = stages[index];
    if (earlier === undefined) return { from, chain };
    chain.unshift(earlier);
    from = earlier.from;
  }
}

function sourceOf(stages: readonly Stage[], { name, stage, line }: CopySource): StageChain | undefined {
  const found = stages[find(stages, name, stage)];
  if (found !== undefined) return chainTo(stages, found);
  if (find(stages, name, stages.length) < 0) return undefined;
  throw problem(
    line,
    `the stage "${name}" is not built before this one`,
    "Move it up: a copy takes from earlier stages",
  );
}
