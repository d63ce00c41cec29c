import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseWorkload } from "@mvm/protocol/workload";

const root = fileURLToPath(new URL("../../", import.meta.url));
const recordings = join(root, "tests/recordings");
const expected = (name: string) => JSON.parse(readFileSync(join(recordings, `${name}.json`), "utf8"));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
function node(words: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, words, { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}
const mvmctl = (words: string[], env: NodeJS.ProcessEnv = {}) =>
  node([join(root, "packages/cli/dist/mvmctl.js"), ...words], directory, { MVM_HOME: join(directory, "home"), ...env });

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mvm-recordings-"));
  mkdirSync(join(directory, "node_modules/@mvm"), { recursive: true });
  symlinkSync(join(root, "packages/sdk"), join(directory, "node_modules/@mvm/sdk"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it.concurrent.each(["service", "steps", "least", "job"])("%s is recorded as it was reviewed", async (name) => {
  const out = join(directory, `${name}.out.json`);
  const script = join(recordings, `${name}.ts`);
  const ran = await mvmctl(["run", "--mode", "record", script], { MVM_SDK_OUT_PATH: out });
  expect(ran.code, ran.stderr).toBe(0);
  expect(JSON.parse(ran.stdout)).toEqual(expected(name));
  // What the SDK itself wrote is canonical, valid and the same workload.
  const bytes = readFileSync(out);
  const { workload, problems } = parseWorkload(bytes);
  expect(problems).toEqual([]);
  expect(JSON.stringify(JSON.parse(bytes.toString()))).toBe(bytes.toString());
  expect(workload).toEqual(expected(name).ir);
});

it("has the examples of docs/workload.md among its scripts, and compiles its declarations to one workload", async () => {
  const page = readFileSync(join(root, "docs/workload.md"), "utf8");
  const [recorded, declared] = page.slice(page.indexOf("## Recordings")).split("## Declarations");
  const example = (text: string | undefined, language: string): string | undefined =>
    new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(text ?? "")?.[1];
  expect(example(recorded, "ts")).toBe(readFileSync(join(recordings, "job.ts"), "utf8"));
  expect(example(recorded, "python")).toBe(readFileSync(join(recordings, "job.py"), "utf8"));
  const compiled = [];
  for (const [name, language] of [
    ["declared.ts", "ts"],
    ["declared.py", "python"],
  ] as const) {
    writeFileSync(join(directory, name), example(declared, language) ?? "");
    const ran = await mvmctl(["compile", name]);
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    compiled.push(ran.stdout);
  }
  expect(compiled[0]).toBe(compiled[1]);
});

it("starts no daemon and keeps what the script prints apart from the document", async () => {
  const ran = await mvmctl(["run", "--mode", "record", join(recordings, "service.ts")]);
  expect(ran.stderr).toContain("the service will be at http://127.0.0.1:18080\n");
  expect(ran.stdout.split("\n")).toHaveLength(2);
  expect(readdirSync(directory)).not.toContain("home");
});

const refused = JSON.parse(readFileSync(join(recordings, "refused.json"), "utf8")) as {
  name: string;
  typescript: string;
  message: string;
}[];
it.concurrent.each(refused)("refuses $name", async ({ name, typescript, message }) => {
  const stem = name.replaceAll(" ", "-");
  const script = join(directory, `${stem}.mjs`);
  const out = join(directory, `${stem}.json`);
  writeFileSync(out, "an older one");
  writeFileSync(
    script,
    `import { Sandbox, Snapshot } from "@mvm/sdk";\nconst sandbox = await Sandbox.create();\n` +
      `await sandbox.commands.run(["true"]);\n${typescript}\n`,
  );
  const ran = await node([script], directory, { MVM_SDK_MODE: "record", MVM_SDK_OUT_PATH: out });
  expect(ran.stderr).toMatch(new RegExp(`(RecordModeError: |nothing is recorded: )(Cannot record )?${message}`));
  expect([ran.code === 0, ran.stdout]).toEqual([false, ""]);
  expect(readdirSync(directory).filter((file) => file.startsWith(`${stem}.json`))).toEqual([]);
});

it("says what is wrong with a script that records nothing, fails, or cannot be a workload", async () => {
  const script = (name: string, source: string): string => {
    const path = join(directory, name);
    writeFileSync(path, source);
    return path;
  };
  const create = 'import { Sandbox } from "@mvm/sdk";\nconst s = await Sandbox.create(';
  const record = async (name: string, source: string) => mvmctl(["run", "--mode", "record", script(name, source)]);
  expect(await record("none.ts", "const a: number = 1; console.log(a);")).toMatchObject({
    code: 65,
    stdout: "",
    stderr: expect.stringContaining("it ended without a recorded sandbox"),
  });
  expect(await record("exit.ts", `${create});\nprocess.exit(7);`)).toMatchObject({ code: 7, stdout: "" });
  expect(await record("idle.ts", `${create});`)).toMatchObject({
    code: 65,
    stderr: expect.stringContaining("E_NO_ENTRYPOINT"),
  });
  expect(await record("id.ts", `${create}{ workloadId: "Not One" });`)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("workloadId is not a lower-case letter"),
  });
  expect(await record("owner.ts", `${create}{ detach: true, ttlSeconds: 5 });`)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("`detach`, `owner` and `tenant` are said by who starts a workload"),
  });
  const secret = `${create}{ env: { A: "x" }, secrets: { A: { secret: "a" } } });`;
  expect((await record("both.ts", secret)).stderr).toContain("one variable is both in `env` and in `secrets`");
});

it("needs to know where to, and knows no other mode", async () => {
  const script = join(directory, "mode.mjs");
  writeFileSync(script, 'import { Sandbox } from "@mvm/sdk";\nawait Sandbox.create();\n');
  const bare = await node([script], directory, { MVM_SDK_MODE: "record", MVM_SDK_OUT_PATH: "" });
  expect(bare.stderr).toContain("MVM_SDK_OUT_PATH does not say where to");
  const plan = await node([script], directory, { MVM_SDK_MODE: "plan" });
  expect(plan.stderr).toMatch(/neither live nor record(.|\n)*--mode plan/);
});
