import { extname } from "node:path";
import { compileModule, maxSourceBytes, parseWorkload } from "@mvm/declare";
import type { Workload } from "@mvm/protocol/workload";
import { usageError } from "../errors.js";
import { readBounded } from "../host-file/read.js";

/** One thing that is wrong with a file: `line` and `column` for source code, `path` for a document. */
export interface FileProblem {
  readonly code: string;
  readonly detail: string;
  readonly line?: number;
  readonly column?: number;
  readonly path?: string;
}

/** The workload of a file, or why there is none. */
export interface Loaded {
  readonly workload: Workload | null;
  readonly problems: readonly FileProblem[];
}

const languages: Readonly<Record<string, "typescript" | "python">> = {
  ".ts": "typescript",
  ".mts": "typescript",
  ".py": "python",
};

/** Compiles a module by parsing it; nothing of it is run. */
export async function compileFile(file: string): Promise<Loaded> {
  const language = languages[extname(file)];
  if (language === undefined) {
    throw usageError(
      `Cannot compile ${JSON.stringify(file)}: its name does not end in .ts or .py`,
      "Use --from-ir for a workload document",
    );
  }
  const bytes = readBounded(file, maxSourceBytes);
  if (bytes !== "too_large") return compileModule(bytes, language);
  const detail = `It has more than ${maxSourceBytes} bytes`;
  return { workload: null, problems: [{ code: "E_COMPILE_TOO_LARGE", line: 1, column: 1, detail }] };
}

/** Reads a workload document, as `compile` prints its `ir`. */
export function readDocument(file: string): Loaded {
  const bytes = readBounded(file, maxDocumentBytes);
  if (bytes !== "too_large") return parseWorkload(bytes);
  return { workload: null, problems: [{ code: "E_TOO_LARGE", path: "", detail: `It has more than 8 MiB` }] };
}

const maxDocumentBytes = 8 * 1024 * 1024;

/** A module or a document, by the file's name. */
export function loadFile(file: string): Promise<Loaded> {
  return extname(file) in languages ? compileFile(file) : Promise.resolve(readDocument(file));
}
