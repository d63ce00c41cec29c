import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileCodes } from "../src/codes.js";
import { compileHere, type SourceLanguage } from "../src/module.js";

const seen = new Set<string>();
async function problem(source: string, language: SourceLanguage): Promise<string> {
  const { problems } = await compileHere(new TextEncoder().encode(source), language);
  for (const { code } of problems) seen.add(code);
  return problems.map(({ line, column, code, detail }) => `${line}:${column} ${code} ${detail}`).join("\n");
}

const ts = (members: string, before = ""): string =>
  `import { defineWorkload, NetworkPolicy, SecretRef } from "@mvm/sdk";\n${before}\nexport default defineWorkload({\n` +
  `id: "a", image: "python", command: ["true"], resources: {},\n${members}\n});\n`;
const py = (members: string, before = ""): string =>
  `import mvm\n${before}\nmvm.define_workload(\nid="a", image="python", command=["true"], resources={},\n${members}\n)\n`;

test.each([
  [ts("env: { A: process.env.HOME }"), /^5:11 E_COMPILE_NOT_STATIC MemberExpression/],
  [ts("env: { A: `x${1}` }"), /^5:11 E_COMPILE_NOT_STATIC A template/],
  [ts("...more"), /^5:1 E_COMPILE_NOT_STATIC SpreadElement .*write its members out/],
  [ts('["env"]: {}'), /^5:2 E_COMPILE_NOT_STATIC A computed key/],
  [ts("get env() { return {} }"), /^5:1 E_COMPILE_NOT_STATIC/],
  [ts("env: { A: 'a' + 'b' }"), /^5:11 E_COMPILE_NOT_STATIC .*write the result/],
  [ts("ttlSeconds: 10n"), /^5:13 E_COMPILE_NOT_STATIC 10n/],
  [ts("tags: { a: /x/ }"), /^5:12 E_COMPILE_NOT_STATIC/],
  [ts("env: { A: HOME }", "let HOME = 'x';"), /^5:11 E_COMPILE_UNKNOWN_NAME "HOME" is no constant/],
  [ts("env: { A: undefined }"), /^5:11 E_COMPILE_UNKNOWN_NAME/],
  [ts("env: A", "const A = { B };const B = [A];"), /E_TOO_DEEP/],
  [ts("env: { A: read('/etc/passwd') }"), /^5:11 E_COMPILE_UNKNOWN_HELPER Nothing is run/],
  [
    ts("network: NetworkPolicy.allowAll()"),
    /^5:10 E_COMPILE_UNKNOWN_HELPER "NetworkPolicy.allowAll" is not understood/,
  ],
  [ts("network: NetworkPolicy.denyByDefault().allowAll()"), /^5:40 E_COMPILE_UNKNOWN_HELPER/],
  [ts("network: NetworkPolicy.denyByDefault().allowTcp('a.com')"), /^5:40 E_COMPILE_ARGUMENTS .*"port" is missing/],
  [ts("network: NetworkPolicy.denyByDefault().allowHttps('*')"), /^5:51 E_NETWORK_WILDCARD network\/allow\/0\/host/],
  [ts("secrets: { A: SecretRef.from('sk live') }"), /^5:15 E_INVALID_SECRET/],
  [ts("env: { A: 'x', A: 'y' }"), /^5:16 E_COMPILE_DUPLICATE_KEY/],
  [ts("env: { __proto__: { A: 'x' } }"), /^5:19 E_UNKNOWN_FIELD/],
  [ts("resources: { cpu: 1 }"), /^5:1 E_COMPILE_DUPLICATE_KEY/],
  [ts("memory: 1"), /^5:9 E_UNKNOWN_FIELD/],
  [ts("tags: { a: 1 }"), /^5:12 E_INVALID_TYPE tags\/a/],
  [ts("env: {"), /E_COMPILE_SYNTAX/],
  ["export default function defineWorkload() {}", /^1:1 E_COMPILE_NO_DECLARATION Write export default/],
  ["const defineWorkload = (x) => x; export default defineWorkload({});", /E_COMPILE_NO_DECLARATION/],
  ['import { defineWorkload } from "other"; export default defineWorkload({});', /E_COMPILE_NO_DECLARATION/],
  ['import { defineWorkload } from "@mvm/sdk"; export default defineWorkload();', /^1:59 E_COMPILE_ARGUMENTS/],
])("TypeScript %#", async (source, wanted) => {
  expect(await problem(source, "typescript")).toMatch(wanted);
});

test.each([
  [py('env={"A": os.environ["HOME"]}'), /^5:11 E_COMPILE_NOT_STATIC subscript/],
  [py('env={"A": f"x{1}"}'), /^5:11 E_COMPILE_NOT_STATIC An f-string/],
  [py('env={"A": b"x"}'), /^5:11 E_COMPILE_NOT_STATIC This kind of string/],
  [py('env={"A": "\\N{BULLET}"}'), /^5:11 E_COMPILE_NOT_STATIC/],
  [py("**more"), /^5:1 E_COMPILE_NOT_STATIC dictionary splat/],
  [py("env={1: 'x'}"), /^5:6 E_COMPILE_NOT_STATIC A key that is no text/],
  [py("tags={k: 'v' for k in 'ab'}"), /^5:6 E_COMPILE_NOT_STATIC dictionary comprehension/],
  [py("ttl_seconds=1j"), /^5:13 E_COMPILE_NOT_STATIC 1j/],
  [py("ttl_seconds=~1"), /^5:13 E_COMPILE_NOT_STATIC/],
  [py("ttl_seconds=T", "T = 1\nT += 1"), /^6:13 E_COMPILE_UNKNOWN_NAME/],
  [py("ttl_seconds=T", "if True:\n    T = 1"), /^6:13 E_COMPILE_UNKNOWN_NAME/],
  [py("ttl_seconds=T", "T = 1\nfor T in (1, 2): pass"), /E_COMPILE_UNKNOWN_NAME/],
  [py("env={'A': open('x').read()}"), /^5:11 E_COMPILE_UNKNOWN_HELPER Nothing is run/],
  [py("network=mvm.NetworkPolicy.allow_all()"), /^5:9 E_COMPILE_UNKNOWN_HELPER/],
  [py("memory_mb=1"), /E_UNKNOWN_FIELD/],
  [py("ttlSeconds=1"), /^5:12 E_UNKNOWN_FIELD In Python it is ttl_seconds/],
  [py("ttl_seconds=0"), /^5:13 E_INVALID_VALUE/],
  [py("id='b'"), /^5:1 E_COMPILE_DUPLICATE_KEY/],
  [py("env={"), /E_COMPILE_SYNTAX/],
  [py("").replace("id=", "ident="), /4:\d+ E_UNKNOWN_FIELD|3:1 E_MISSING_FIELD/],
  [`${py("")}${py("")}`, /^9:1 E_COMPILE_MANY_DECLARATIONS/],
  ["import mvm\nmvm.define_workload({})", /^2:1 E_COMPILE_ARGUMENTS Name every argument/],
  ["import mvm\nmvm.app(id='a')", /^2:1 E_COMPILE_ARGUMENTS Write @mvm.app/],
  ["import os as mvm\n@mvm.app(id='a')\ndef f(): pass", /^1:1 E_COMPILE_NO_DECLARATION Write @mvm.app/],
  ["import mvm\ndef f(mvm):\n    @mvm.app(id='a')\n    def g(): pass", /E_COMPILE_NO_DECLARATION/],
])("Python %#", async (source, wanted) => {
  expect(await problem(source, "python")).toMatch(wanted);
});

test("a function of Python is the command, where none is written", async () => {
  const source =
    'import mvm\n\n@mvm.func(id="a", image="python", resources=mvm.resources())\ndef main():\n    return 42\n';
  const { workload, problems } = await compileHere(Buffer.from(source), "python");
  expect(problems).toEqual([]);
  const app = workload?.apps[0];
  expect(app?.files).toEqual([{ path: "/home/user/app.py", bytes_b64: Buffer.from(source).toString("base64") }]);
  expect(app?.entrypoints[0]?.command.slice(0, 2)).toEqual(["python3", "-c"]);
});

test("every code was caused, but for those of sizes and bytes, and docs/workload.md lists them", () => {
  const others = ["E_COMPILE_ENCODING", "E_COMPILE_TOO_LARGE", "E_COMPILE_TOO_COMPLEX"];
  expect(Object.keys(compileCodes).filter((code) => !seen.has(code))).toEqual(others);
  const page = readFileSync(new URL("../../../docs/workload.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `(E_COMPILE_[A-Z_]+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [
    code,
    meaning,
  ]);
  expect(Object.fromEntries(listed)).toEqual(compileCodes);
});
