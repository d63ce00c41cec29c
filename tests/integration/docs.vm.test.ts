import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { makeHome, root } from "../support/home.js";

const run = promisify(execFile);
const pages = ["README.md", "packages/sdk/README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];

interface Block {
  readonly where: string;
  readonly language: string;
  readonly source: string;
}

/** Fenced blocks of a page with the line they begin at. */
function blocks(page: string): Block[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(({ index, 1: language, 2: source }) => ({
    where: `${page}:${text.slice(0, index).split("\n").length}`,
    language: language ?? "",
    source: source ?? "",
  }));
}

const all = pages.filter((page) => page.endsWith(".md")).flatMap(blocks);
const typescript = all.filter(({ language }) => language === "ts");
const commands = all
  .filter(({ where, language }) => language === "sh" && where.startsWith("README.md"))
  .flatMap(({ source }) => source.split("\n"))
  .map((line) => line.replace(/\s+#.*$/, "").trim())
  .filter((line) => line.startsWith("./mvmctl"));

let made: ReturnType<typeof makeHome>;
let scratch: string;
beforeAll(() => {
  made = makeHome();
  // Inside the checkout, so that `@mvm/sdk` resolves as it does for a user who installed it.
  scratch = mkdtempSync(join(root, "tests", ".docs-"));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  made.remove();
});

describe("the documentation", () => {
  it("has examples", () => {
    expect(typescript.length).toBeGreaterThanOrEqual(3);
    expect(commands).toContain('./mvmctl run -- python3 -c "print(6*7)"');
  });

  it.each(typescript.map(({ where, source }) => [where, source] as const))("%s runs", async (where, source) => {
    const file = join(scratch, `${where.replace(/\W+/g, "-")}.mjs`);
    writeFileSync(file, transformSync(source, { loader: "ts", format: "esm", target: "node20" }).code);
    const env = { ...process.env, MVM_HOME: made.home };
    const { stderr } = await run(process.execPath, [file], { env, timeout: 100_000, cwd: scratch });
    expect(stderr.replace(/^mvmctl: note:.*\n/gm, "")).toBe("");
  });

  it("prints what the README's SDK example says", async () => {
    const example = typescript.find(({ where }) => where.startsWith("README.md"));
    const file = join(scratch, "readme.mjs");
    // As it stands: a reader saves it and runs it with node, the oldest supported one included.
    writeFileSync(file, example?.source ?? "");
    const { stdout } = await run(process.execPath, [file], {
      env: { ...process.env, MVM_HOME: made.home },
      timeout: 100_000,
    });
    expect(example?.source).toContain(`// ${stdout.trim().replace(/\n/g, " ")}`);
  });

  it("prints 42 for the README's first command", async () => {
    const { stdout } = await cli(["run", "--", "python3", "-c", "print(6*7)"], { home: made.home });
    expect(stdout.toString()).toBe("42\n");
  });

  it("links to files that exist", () => {
    for (const page of pages.filter((name) => name.endsWith(".md"))) {
      const text = readFileSync(join(root, page), "utf8");
      const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, target]) => target ?? "");
      for (const target of targets) {
        const path = join(root, page, "..", target);
        expect(existsSync(path), `${page} → ${relative(root, path)}`).toBe(true);
      }
    }
  });
});
