import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync, type Stats } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { PolicyProblem, PolicySource } from "../admission/policy-source.js";

/** Where the operator's files lie besides `policy/` of the state root. */
export const systemPolicyDirectory = "/etc/mvm/policy";

/** Largest file of policy. Bytes. */
const maxFileBytes = 256 * 1024;
/** Most files of policy in one directory. */
const maxFiles = 64;

const limitsFile = "limits.toml";

export interface OperatorFiles {
  readonly cedar: readonly PolicySource[];
  readonly limits: readonly PolicySource[];
  readonly problems: readonly PolicyProblem[];
}

/** What tells whether a file has changed without reading it. */
export function fingerprint(directories: readonly string[]): string {
  return directories.map((directory) => list(directory, (path) => mark(path))).join("\n");
}

function list(directory: string, each: (path: string) => string): string {
  try {
    const names = policyNames(directory);
    return [mark(directory), ...names.map((name) => each(join(directory, name)))].join("\n");
  } catch (error) {
    return `${directory} ${(error as NodeJS.ErrnoException).code ?? "unreadable"}`;
  }
}

function mark(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs, mode, uid } = statSync(path, { bigint: true });
    return [path, ino, size, mtimeNs, ctimeNs, mode, uid].join(" ");
  } catch (error) {
    return `${path} ${(error as NodeJS.ErrnoException).code ?? "unreadable"}`;
  }
}

function policyNames(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !name.startsWith(".") && (name.endsWith(".cedar") || name === limitsFile))
    .sort();
}

/**
 * Reads the operator's files. A directory that is not there holds none; anything else that keeps one from being read, or that
 * lets others than its owner write it, is a problem: policy is never less than what its files say.
 */
export function readOperatorFiles(directories: readonly string[]): OperatorFiles {
  const cedar: PolicySource[] = [];
  const limits: PolicySource[] = [];
  const problems: PolicyProblem[] = [];
  for (const directory of directories) {
    try {
      const names = namesOf(directory);
      for (const name of names) {
        const path = join(directory, name);
        const text = readTrusted(path, problems);
        if (text !== undefined) (name === limitsFile ? limits : cedar).push({ path, text });
      }
    } catch (error) {
      problems.push({ file: directory, line: null, column: null, problem: (error as Error).message });
    }
  }
  return { cedar, limits, problems };
}

function namesOf(directory: string): string[] {
  let names: string[];
  try {
    names = policyNames(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const distrusted = distrust(statSync(directory));
  if (distrusted !== undefined) throw new Error(distrusted);
  if (names.length > maxFiles) throw new Error(`it holds ${names.length} files, the limit is ${maxFiles}`);
  return names;
}

function readTrusted(path: string, problems: PolicyProblem[]): string | undefined {
  try {
    // A pipe under the name of a policy must not hold the daemon up.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const at = fstatSync(fd);
      if (!at.isFile()) throw new Error("it is not a regular file");
      const distrusted = distrust(at);
      if (distrusted !== undefined) throw new Error(distrusted);
      if (at.size > maxFileBytes) throw new Error(`it has ${at.size} bytes, the limit is ${maxFileBytes}`);
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8" : message;
    problems.push({ file: path, line: null, column: null, problem });
    return undefined;
  }
}

function distrust(at: Stats): string | undefined {
  if (at.uid !== 0 && at.uid !== process.geteuid?.()) return `it belongs to user ${at.uid}`;
  if ((at.mode & 0o022) !== 0) return `others can write to it (mode ${(at.mode & 0o7777).toString(8)})`;
  return undefined;
}
