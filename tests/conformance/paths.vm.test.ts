import { readFileSync } from "node:fs";
import { isSandboxError, type Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { text, useScene } from "../support/scene.js";

type Op = "read" | "write" | "stat" | "list" | "mkdir" | "remove";
interface Row {
  readonly op: Op;
  readonly path: string | readonly (string | readonly [text: string, times: number])[];
  /** `ok`, or name and code of the error. */
  readonly verdict: string;
}

const table = JSON.parse(readFileSync(new URL("paths.json", import.meta.url), "utf8")) as {
  readonly setup: readonly string[];
  readonly rows: readonly Row[];
};
const content = "mvm";
const pathOf = ({ path }: Row): string =>
  typeof path === "string"
    ? path
    : path.map((part) => (typeof part === "string" ? part : part[0].repeat(part[1]))).join("");
const rows = table.rows.map((row) => ({ ...row, path: pathOf(row) }));

const scene = useScene();

/** A sandbox as the table expects it, under a name of its own. */
async function prepared(name: string): Promise<Sandbox> {
  const sandbox = await scene.sandbox({ name });
  for (const line of table.setup) await text(sandbox, line);
  return sandbox;
}

describe("F-01 every path of the table has its verdict", () => {
  it("is a table of at least sixty rows, each once", () => {
    expect(rows.length).toBeGreaterThanOrEqual(60);
    expect(new Set(rows.map(({ op, path }) => `${op} ${path}`)).size).toBe(rows.length);
  });

  it("F-01 in TypeScript", async () => {
    const { files } = await prepared("typescript");
    const calls: { readonly [O in Op]: (path: string) => Promise<unknown> } = {
      read: (path) => files.read(path),
      write: (path) => files.write(path, content),
      stat: (path) => files.stat(path),
      list: (path) => files.list(path),
      mkdir: (path) => files.mkdir(path, { existOk: false }),
      remove: (path) => files.remove(path),
    };
    const verdicts: string[] = [];
    for (const { op, path, verdict } of rows) {
      // A client may refuse at once or as a rejection: both are its verdict.
      const got = await (async () => calls[op](path))().then(
        () => "ok",
        (error: unknown) => (isSandboxError(error) ? `${error.name} ${error.code}` : String(error)),
      );
      verdicts.push(`${op} ${JSON.stringify(path).slice(0, 60)}: ${got}`);
      if (op === "write" && verdict === "ok" && got === "ok") expect(await files.read(path)).toBe(content);
    }
    expect(verdicts).toEqual(
      rows.map(({ op, path, verdict }) => `${op} ${JSON.stringify(path).slice(0, 60)}: ${verdict}`),
    );
  });
});

describe("F-01 every path that can be an argument has its verdict on the command line", () => {
  const verbs: { readonly [O in Op]: string } = {
    ...{ read: "read", write: "write", stat: "stat", list: "ls", mkdir: "mkdir", remove: "rm" },
  };
  // An argument of a program is bytes without a NUL: what is not Unicode does not arrive as what it was.
  const arguable = rows.filter(({ path }) => !path.includes("\0") && !/\p{Surrogate}/u.test(path));
  beforeAll(() => prepared("cli"));

  it.each([0, 1, 2, 3])("F-01 in the CLI, quarter %i", async (quarter) => {
    const size = Math.ceil(arguable.length / 4);
    for (const { op, path, verdict } of arguable.slice(quarter * size, (quarter + 1) * size)) {
      const args = ["fs", verbs[op], "cli", "--json", "--", path];
      const { code, stdout } = await cli(args, { home: scene.home, stdin: content });
      const document = code === 0 ? {} : (JSON.parse(stdout.toString()) as { error?: { name: string; code: string } });
      const got = code === 0 ? "ok" : `${document.error?.name} ${document.error?.code}`;
      expect(`${op} ${JSON.stringify(path)}: ${got}`).toBe(`${op} ${JSON.stringify(path)}: ${verdict}`);
    }
  });
});
