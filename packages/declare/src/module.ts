import { lowerDeclaration } from "@mvm/protocol/declaration";
import type { Workload } from "@mvm/protocol/workload";
import { type CompileProblem, CompileRefusal, type Place } from "./codes.js";
import { Evaluator, plain } from "./evaluate.js";
import { fromPython, inPython } from "./fields.js";
import { pythonHelpers, typescriptHelpers } from "./helpers.js";
import { withProgram } from "./program.js";

export type SourceLanguage = "typescript" | "python";

/** The workload of a module in normal form, or what keeps it from being compiled. */
export type Compiled =
  | { readonly workload: Workload; readonly problems: readonly [] }
  | { readonly workload: null; readonly problems: readonly CompileProblem[] };

/** Bytes of a module. */
export const maxSourceBytes = 2 * 1024 * 1024;

/**
 * Compiles a module in this process. The TypeScript parser is native code that ends the process when its stack is
 * exhausted: use `compileModule`, which runs this in a process of its own.
 */
export async function compileHere(bytes: Uint8Array, language: SourceLanguage): Promise<Compiled> {
  try {
    const source = decoded(bytes);
    const python = language === "python";
    // Only the parser that is needed is loaded.
    const module = python
      ? await (await import("./python.js")).readPython(source)
      : (await import("./typescript.js")).readTypescript(source);
    const [declaration, second] = module.declarations;
    if (declaration === undefined) {
      const wanted = python ? "@mvm.app(...) above a function" : "export default defineWorkload({ ... })";
      const detail =
        `Write ${wanted}, with the name imported from ${python ? "mvm" : "@mvm/sdk"}; a script that makes a ` +
        "sandbox is not run here: record it with `mvmctl run --mode record`";
      throw new CompileRefusal("E_COMPILE_NO_DECLARATION", { line: 1, column: 1 }, detail);
    }
    if (second !== undefined) {
      throw new CompileRefusal("E_COMPILE_MANY_DECLARATIONS", second.at, "Give each workload a file of its own");
    }
    const evaluator = new Evaluator(module, python ? pythonHelpers : typescriptHelpers);
    let members = evaluator.members(declaration.members);
    if (python) members = fromPython(members);
    const { at, decorated } = declaration;
    if (decorated !== null && !members.has("command")) withProgram(members, decorated, source, at);
    const places = new Map<string, Place>();
    const value = plain({ kind: "object", members, type: null, at }, "", places);
    const { workload, problems } = lowerDeclaration(value);
    if (workload !== null) return { workload, problems: [] };
    const located = problems.map(({ code, path, detail }) => ({
      code,
      ...nearest(places, path),
      detail: `${path === "" ? "" : `${path.slice(1)}: `}${detail}`,
    }));
    return {
      workload: null,
      problems: python ? located.map((each) => ({ ...each, detail: inPython(each.detail) })) : located,
    };
  } catch (error) {
    if (error instanceof CompileRefusal) return { workload: null, problems: [error.problem] };
    if (error instanceof RangeError) return { workload: null, problems: [tooComplex] };
    throw error;
  }
}

/** What a parser that gave up leaves to say. */
export const tooComplex: CompileProblem = {
  code: "E_COMPILE_TOO_COMPLEX",
  line: 1,
  column: 1,
  detail: "The parser ran out of stack, memory or time: nest less, or keep the declaration in a file of its own",
};

function decoded(bytes: Uint8Array): string {
  const start = { line: 1, column: 1 };
  if (bytes.length > maxSourceBytes) {
    throw new CompileRefusal("E_COMPILE_TOO_LARGE", start, `${bytes.length} bytes are more than ${maxSourceBytes}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CompileRefusal("E_COMPILE_ENCODING", start, "Save the file as UTF-8");
  }
}

/** Where the part was written, or what it is missing in. */
function nearest(places: ReadonlyMap<string, Place>, path: string): Place {
  for (let at = path; ; at = at.slice(0, at.lastIndexOf("/"))) {
    const place = places.get(at);
    if (place !== undefined) return { line: place.line, column: place.column };
    if (at === "") return { line: 1, column: 1 };
  }
}
