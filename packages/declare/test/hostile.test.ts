import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileModule, maxSourceBytes, type SourceLanguage } from "@mvm/declare";
import { compileHere } from "../src/module.js";
import { randomOf, seed } from "../../protocol/test/support/seed.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mvm-declare-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const fixture = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const sources: Readonly<Record<SourceLanguage, string>> = {
  typescript: fixture("texts.ts"),
  python: fixture("texts.py"),
};
const compile = (source: string | Uint8Array, language: SourceLanguage) =>
  compileModule(typeof source === "string" ? Buffer.from(source) : source, language);

test("a module whose import would write, exit or loop for ever compiles without that", async () => {
  const mark = join(directory, "written");
  const effects: Readonly<Record<SourceLanguage, string>> = {
    typescript: `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(mark)}, "");\nprocess.exit(9);\nfor (;;);\n`,
    python: `import os\nopen(${JSON.stringify(mark)}, "w").close()\nos._exit(9)\nwhile True: pass\n`,
  };
  for (const language of ["typescript", "python"] as const) {
    const before = await compile(effects[language] + sources[language], language);
    const after = await compile(sources[language] + effects[language], language);
    expect([before.problems, after.problems]).toEqual([[], []]);
    expect(before.workload).toEqual(after.workload);
    expect(existsSync(mark)).toBe(false);
  }
});

const nested: [string, SourceLanguage, string][] = [
  ["lists", "typescript", `export default ${"[".repeat(200_000)}${"]".repeat(200_000)}`],
  ["arrows", "typescript", `export default ${"a=>".repeat(100_000)}1`],
  ["conditions", "typescript", `${"if(a)".repeat(100_000)};`],
  ["types", "typescript", `let x: ${"A<".repeat(100_000)}B${">".repeat(100_000)}`],
  ["calls", "typescript", `${sources.typescript}\nexport const x = f${"()".repeat(200_000)}`],
  [
    "methods",
    "typescript",
    sources.typescript.replace("denyByDefault()", `denyByDefault()${".allowHttp('a.com')".repeat(20_000)}`),
  ],
  ["open brackets", "typescript", "(".repeat(500_000)],
  ["lists", "python", `x = ${"[".repeat(200_000)}${"]".repeat(200_000)}`],
  ["lists of an argument", "python", sources.python.replace("HOSTS,", `${"[".repeat(1000)}${"]".repeat(1000)},`)],
  ["blocks", "python", Array.from({ length: 1500 }, (_, at) => `${" ".repeat(at)}if a:\n`).join("")],
  ["negations", "python", `x = ${"not ".repeat(200_000)}1`],
  ["open brackets", "python", "(".repeat(500_000)],
];
test.each(nested)("deeply nested %s of %s end as a problem or a workload", async (_what, language, source) => {
  const { workload, problems } = await compile(source, language);
  if (workload === null) expect(problems[0]?.code).toMatch(/^E_(COMPILE_|TOO_)/);
});

test("constants that double each other end as a problem", async () => {
  const lines = Array.from({ length: 60 }, (_, at) => `const c${at + 1} = [c${at}, c${at}];`).join("\n");
  const source = `const c0 = ["x"];\n${lines}\n${sources.typescript.replace("const hosts = [", "const hosts = c30; const old = [")}`;
  expect((await compile(source, "typescript")).problems[0]?.code).toBe("E_TOO_DEEP");
});

test.each(["typescript", "python"] as const)("long lines, bytes and sizes of %s", async (language) => {
  const long = `${language === "python" ? "#" : "//"} ${"x".repeat(1_000_000)}\n`;
  expect((await compile(long + sources[language], language)).problems).toEqual([]);
  const invalid = Buffer.concat([Buffer.from(sources[language]), Buffer.from([0x23, 0xff, 0xfe])]);
  expect((await compile(invalid, language)).problems[0]?.code).toBe("E_COMPILE_ENCODING");
  expect((await compile(Buffer.alloc(maxSourceBytes + 10, 32), language)).problems[0]?.code).toBe(
    "E_COMPILE_TOO_LARGE",
  );
  expect((await compile(`\uFEFF${sources[language]}`, language)).problems).toEqual([]);
  expect((await compile(sources[language].replaceAll("\n", "\r\n"), language)).workload).toEqual(
    (await compile(sources[language], language)).workload,
  );
});

test.each(["typescript", "python"] as const)(`changed modules of %s never throw (seed ${seed})`, async (language) => {
  const random = randomOf(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const original = sources[language];
  const pieces = [
    "(",
    ")",
    "{",
    "}",
    "[",
    '"',
    "'",
    "\\",
    "`",
    "${",
    ":",
    ",",
    "\n",
    "\0",
    "é",
    "🙂",
    "0",
    "__proto__",
    "null",
    "#",
  ];
  const tally = new Map<string, number>();
  const end = performance.now() + 3000;
  for (let round = 0; round < 3000 && performance.now() < end; round++) {
    let source = original;
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at = below(source.length);
      source = source.slice(0, at) + (pieces[below(pieces.length)] as string) + source.slice(at + below(12));
    }
    const { workload, problems } = await compileHere(Buffer.from(source), language);
    for (const { line, column } of problems) expect(Math.min(line, column)).toBeGreaterThan(0);
    expect(workload === null).toBe(problems.length > 0);
    const outcome = problems[0]?.code ?? "compiled";
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
  }
  console.log(language, seed, Object.fromEntries(tally));
  expect(tally.size).toBeGreaterThan(3);
});

test.each(["typescript", "python"] as const)("a module of 1 000 lines of %s is measured", async (language) => {
  const line =
    language === "python"
      ? "V@ = {'a': [1, 2, 'three'], 'b': (None, True)}\n"
      : "const V@ = { a: [1, 2, 'three'], b: [null, true] };\n";
  const lines = Array.from({ length: 1000 }, (_, at) => line.replace("@", String(at))).join("");
  const source = sources[language] + lines;
  await compileHere(Buffer.from(source), language);
  let start = performance.now();
  expect((await compileHere(Buffer.from(source), language)).problems).toEqual([]);
  const parsed = performance.now() - start;
  start = performance.now();
  await compile(source, language);
  const whole = performance.now() - start;
  console.log(`${language}: 1 000 lines in ${parsed.toFixed(0)} ms, ${whole.toFixed(0)} ms with its process`);
});
