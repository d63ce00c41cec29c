import { DockerfileParser, type ModifiableInstruction } from "dockerfile-ast";
import { imageError } from "../errors.js";
import type { SandboxError } from "@mvm/protocol/errors";

/** One instruction, its continued lines joined and its comments gone. */
export interface Instruction {
  readonly keyword: string;
  /** Of its first line, from 1. */
  readonly line: number;
  /** `--name=value` in front of the arguments. */
  readonly flags: Readonly<Record<string, string>>;
  /** What follows the flags, as it is written. */
  readonly rest: string;
  /** The arguments of the form `["a", "b"]`; null: another form. */
  readonly json: readonly string[] | null;
}

/** What an instruction that is not carried out says instead of being left out. */
const refused: Readonly<Record<string, string>> = {
  HEALTHCHECK: "sandboxes have no health checks; remove the line",
  ONBUILD: "nothing is built on behalf of another image; write the instruction into that Dockerfile",
  STOPSIGNAL: "sandboxes end with their machine; remove the line",
  VOLUME: "a sandbox has one disk, which all of its directories are on; remove the line",
};
const known = /^(FROM|RUN|COPY|ADD|ENV|WORKDIR|USER|ARG|CMD|ENTRYPOINT|LABEL|EXPOSE|SHELL|MAINTAINER)$/;
const longest = 1024 * 1024;

/** Reads a Dockerfile into its instructions. @throws {InvalidArgumentError} naming the line that cannot be carried out */
export function parseDockerfile(text: string): Instruction[] {
  if (text.length > longest)
    throw imageError("invalid", `Cannot read the Dockerfile: it is larger than ${longest} bytes`);
  const file = DockerfileParser.parse(text);
  const escape = file.getEscapeCharacter();
  return file.getInstructions().map((instruction) => {
    const keyword = instruction.getKeyword();
    const line = instruction.getRange().start.line + 1;
    const why = refused[keyword];
    if (why !== undefined) throw problem(line, `${keyword} is not supported: ${why}`);
    if (!known.test(keyword)) throw problem(line, `there is no instruction ${JSON.stringify(keyword.slice(0, 40))}`);
    const rest = joinLines(instruction.getRawArgumentsContent() ?? "", escape);
    const flags = flagsOf(instruction);
    if (/^(RUN|COPY|ADD)$/.test(keyword) && /(^|\s)<<-?\s*["']?[A-Za-z_]/.test(rest)) {
      throw problem(line, `${keyword} with a here-document is not supported`, "Put the text into a file and copy it");
    }
    return { keyword, line, flags, rest, json: jsonOf(rest) };
  });
}

export function problem(
  line: number,
  what: string,
  hint = "See docs/images.md for what a Dockerfile may say",
): SandboxError {
  return imageError("invalid", `Cannot build line ${line} of the Dockerfile: ${what}`, { hint });
}

/** A line that ends with the escape character goes on; lines of comment and empty ones in between are not there. */
function joinLines(raw: string, escape: string): string {
  const lines = raw.split(/\r?\n/);
  const kept = lines.filter((line, index) => index === 0 || !/^\s*(#|$)/.test(line));
  return kept
    .map((line) => (line.trimEnd().endsWith(escape) ? line.trimEnd().slice(0, -1) : line))
    .join("")
    .trim();
}

/** Only these have flags; what begins with dashes elsewhere is an argument. */
function flagsOf(instruction: object): Record<string, string> {
  const { getFlags } = instruction as Partial<ModifiableInstruction>;
  if (getFlags === undefined) return {};
  const flags = getFlags.call(instruction);
  return Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ""]));
}

function jsonOf(text: string): string[] | null {
  if (!text.startsWith("[")) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((part) => typeof part === "string") ? value : null;
  } catch {
    return null;
  }
}
