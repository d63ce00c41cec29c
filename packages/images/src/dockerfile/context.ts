import { readdir, readFile, realpath } from "node:fs/promises";
import { join, posix } from "node:path";
import dockerignore from "@balena/dockerignore";
import { imageError } from "../errors.js";
import type { ArchiveSource } from "../recipe/archive.js";
import { problem } from "./parse.js";
import type { WantedCopy } from "./interpret.js";

/** Entries of one context. */
const mostEntries = 200_000;

/** The files a build may copy: those below one directory that `.dockerignore` does not leave out. Links are never followed. */
export class BuildContext {
  private constructor(
    private readonly root: string,
    /** Relative paths and what they are; parents before what is in them. */
    private readonly entries: ReadonlyMap<string, "dir" | "file" | "link">,
  ) {}

  /**
   * @param ignored patterns of what is left out. Default: those of its `.dockerignore`
   * @throws {InvalidArgumentError} it is no directory, or too large
   */
  static async open(path: string, ignored?: readonly string[]): Promise<BuildContext> {
    const root = await realpath(path).catch(() => undefined);
    if (root === undefined)
      throw imageError("invalid", "Cannot read the context of the build: there is no such directory");
    const rules = ignored ?? (await readFile(join(root, ".dockerignore"), "utf8").catch(() => "")).split(/\r?\n/);
    const ignore = dockerignore.default({ ignorecase: false }).add([...rules]);
    const entries = new Map<string, "dir" | "file" | "link">();
    await walk(root, "", entries);
    const kept = [...entries].filter(([path]) => !ignore.ignores(path));
    const needed = new Set(kept.flatMap(([path]) => parentsOf(path)));
    return new BuildContext(root, new Map([...entries].filter(([path]) => needed.has(path))));
  }

  /** What a copy takes. @throws {InvalidArgumentError} naming the line, when it takes nothing */
  sources({ sources, line, add }: WantedCopy): ArchiveSource[] {
    return sources.flatMap((written) => {
      const pattern = posix.normalize(written.replace(/^\/+/, ""));
      if (pattern === ".." || pattern.startsWith("../")) throw problem(line, `"${written}" is outside of the context`);
      const clean = pattern.replace(/\/+$/, "");
      const paths = clean === "." ? [""] : this.match(clean);
      if (paths.length === 0) throw problem(line, `"${written}" is not in the context, or .dockerignore leaves it out`);
      const archive = add ? paths.find((path) => archives.test(path)) : undefined;
      if (archive !== undefined) {
        throw problem(
          line,
          `ADD of the archive "${archive}" is not supported`,
          "Copy it with COPY and unpack it with RUN tar",
        );
      }
      return paths.map((path) => this.source(path));
    });
  }

  /** All of it. */
  whole(): ArchiveSource {
    return this.source("");
  }

  private match(pattern: string): string[] {
    const expression = globExpression(pattern);
    return [...this.entries.keys()].filter((path) => expression.test(path)).sort();
  }

  private source(path: string): ArchiveSource {
    if (path !== "" && this.entries.get(path) !== "dir") {
      return { root: join(this.root, posix.dirname(path)), names: [`./${posix.basename(path)}`], kind: "file" };
    }
    const inside = [...this.entries.keys()].filter((name) => path === "" || name.startsWith(`${path}/`));
    const names = inside.map((name) => `./${path === "" ? name : name.slice(path.length + 1)}`);
    return { root: join(this.root, path), names: [".", ...names], kind: "dir" };
  }
}

const archives = /\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)$/i;

async function walk(root: string, below: string, entries: Map<string, "dir" | "file" | "link">): Promise<void> {
  const found = await readdir(join(root, below), { withFileTypes: true }).catch((error: unknown) => {
    throw imageError("invalid", `Cannot read the context of the build: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  });
  for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    const kind = entry.isDirectory() ? "dir" : entry.isSymbolicLink() ? "link" : entry.isFile() ? "file" : undefined;
    // Sockets, pipes and devices are nobody's input.
    if (kind === undefined) continue;
    if (entries.size >= mostEntries) {
      throw imageError("invalid", `Cannot read the context of the build: it has more than ${mostEntries} entries`, {
        hint: "Name a smaller directory",
      });
    }
    entries.set(path, kind);
    if (kind === "dir") await walk(root, path, entries);
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_part, index) => parts.slice(0, index + 1).join("/"));
}

/** `*` and `?` stay within a component, as Go's filepath.Match has it. */
function globExpression(pattern: string): RegExp {
  const body = pattern.replace(
    /\\(.)|\[(\^?)([^\]]+)\]|[*?]|[^]/g,
    (part, escaped: string, not: string, set: string) => {
      if (escaped !== undefined) return quote(escaped);
      if (set !== undefined) return `[${not}${set.replace(/[\\[]/g, "\\$&")}]`;
      return part === "*" ? "[^/]*" : part === "?" ? "[^/]" : quote(part);
    },
  );
  return new RegExp(`^${body}$`, "u");
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
