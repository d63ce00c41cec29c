import { type Instruction, problem } from "./parse.js";
import { expand, type Lookup, splitWords } from "./words.js";

/** The instructions from one FROM to the next. */
export interface Stage {
  readonly name: string | null;
  /** Image or earlier stage, variables put in. */
  readonly from: string;
  readonly line: number;
  readonly instructions: readonly Instruction[];
}

export interface Stages {
  /** Image the first of them starts from. */
  readonly from: string;
  /** Those the wanted one is made of, in order: each starts where the one before it ends. */
  readonly chain: readonly Stage[];
  /** ARGs before the first FROM. */
  readonly global: Readonly<Record<string, string>>;
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
      stages.push({ name: name?.toLowerCase() ?? null, from, line, instructions: [] });
      continue;
    }
    const current = stages.at(-1);
    if (current !== undefined) {
      if (flags["from"] !== undefined) {
        throw problem(
          line,
          "COPY --from is not supported",
          "Make the file in the stage that needs it: `FROM stage` goes on with one",
        );
      }
      current.instructions.push(instruction);
    } else if (keyword === "ARG") {
      const [name = "", value] = rest.split(/=(.*)/s);
      const known = given[name] ?? (value === undefined ? undefined : expand(value, lookup));
      if (known !== undefined) global[name] = known;
    } else throw problem(line, `${keyword} comes before the first FROM`);
  }
  return { ...chainTo(stages, target), global };
}

function chainTo(stages: readonly Stage[], target: string | undefined): Pick<Stages, "from" | "chain"> {
  const find = (name: string, before: number): number =>
    stages.findLastIndex(
      (stage, index) => index < before && (stage.name === name.toLowerCase() || String(index) === name),
    );
  const wanted = target === undefined ? stages.length - 1 : find(target, stages.length);
  const last = stages[wanted];
  if (last === undefined) throw problem(1, target === undefined ? "there is no FROM" : `there is no stage "${target}"`);
  const chain = [last];
  for (let index = wanted, from = last.from; ;) {
    index = find(from, index);
    const earlier = stages[index];
    if (earlier === undefined) return { from, chain };
    chain.unshift(earlier);
    from = earlier.from;
  }
}
