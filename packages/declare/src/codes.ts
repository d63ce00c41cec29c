import type { WorkloadCode } from "@mvm/protocol/workload";

/** What keeps a module from being compiled. Codes are only ever added; those of workloads can be reported too. */
export const compileCodes = {
  E_COMPILE_ENCODING: "the file is not UTF-8",
  E_COMPILE_TOO_LARGE: "the file has more than 2 MiB",
  E_COMPILE_TOO_COMPLEX: "the parser ran out of stack, memory or time",
  E_COMPILE_SYNTAX: "the file is not valid in its language",
  E_COMPILE_NO_DECLARATION: "there is no declaration in the file",
  E_COMPILE_MANY_DECLARATIONS: "there is more than one declaration in the file",
  E_COMPILE_NOT_STATIC: "an expression is neither a literal nor a helper nor a constant of those",
  E_COMPILE_UNKNOWN_NAME: "a name is no constant of the module",
  E_COMPILE_UNKNOWN_HELPER: "a call is none of the helpers",
  E_COMPILE_ARGUMENTS: "a helper is called with what it does not take",
  E_COMPILE_DUPLICATE_KEY: "a key or argument is there twice",
} as const;

export type CompileCode = keyof typeof compileCodes | WorkloadCode;

/** Line and column count from 1, columns in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong: where, its code, and what to write instead. */
export interface CompileProblem extends Place {
  readonly code: CompileCode;
  readonly detail: string;
}

/** Ends the compilation of a module. */
export class CompileRefusal extends Error {
  readonly problem: CompileProblem;

  constructor(code: CompileCode, { line, column }: Place, detail: string) {
    super(detail);
    this.problem = { code, line, column, detail };
  }
}

/** Finds the line and column of an offset in UTF-16 units. */
export function placesOf(source: string): (offset: number) => Place {
  const starts = [0];
  for (let at = source.indexOf("\n"); at !== -1; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] as number) + 1 };
  };
}
