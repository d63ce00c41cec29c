import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli } from "../support/cli.js";
import { makeHome, root } from "../support/home.js";
import { makeAuthority, operatorNetwork, type Outside, serveHttps } from "../support/outside.js";

const run = promisify(execFile);
const folder = join(root, "tests", "conformance", "examples");
const made = makeHome();
// Inside the checkout, so that `@mvm/sdk` resolves as it does for a user who installed it.
const scratch = mkdtempSync(join(root, "tests", ".docs-"));
const value = "sk-live-of-the-examples";
/** Credentials that the server which stands for api.openai.com was shown. */
const shown: (string | undefined)[] = [];
let server: Outside;

beforeAll(async () => {
  execFileSync(join(root, "scripts", "python-venv.sh"), { stdio: "inherit" });
  const authority = makeAuthority(["api.openai.com"]);
  server = await serveHttps(authority, (request, response) => {
    shown.push(request.headers.authorization);
    response.end("welcome");
  });
  const overrides = { "api.openai.com": `127.0.0.1:${server.port}` };
  operatorNetwork(made.home, { overrides, authorities: [authority.ca] });
  const put = ["secret", "put", "openai-api-key", "--host", "api.openai.com"];
  expect(await cli(put, { home: made.home, stdin: value })).toMatchObject({ code: 0 });
});
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await server.close();
  made.remove();
});

/** The programs that the examples run, and take for granted. */
const tools = {
  py: `import os, urllib.request as u
request = u.Request("https://api.openai.com/v1/models", headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
print(u.urlopen(request).read().decode(), len(os.environ["OPENAI_API_KEY"]))`,
  js: `const headers = { authorization: "Bearer " + process.env.OPENAI_API_KEY };
fetch("https://api.openai.com/v1/models", { headers }).then(async (answer) =>
  console.log(await answer.text(), process.env.OPENAI_API_KEY.length));`,
};

/** An example with its program in the sandbox, and an image that has its interpreter. */
function withTool(source: string): string {
  const [, path = "main.py", kind] = /run\(\["\w+", "([^"]+\.(py|js))"\]/.exec(source) ?? [];
  if (kind === undefined) return source;
  const file = JSON.stringify(path.startsWith("/") ? path : `/home/user/${path}`);
  const write = `sandbox.files.write(${file}, ${JSON.stringify(tools[kind as keyof typeof tools])})`;
  return kind === "py"
    ? source.replace(/^( *)result = /m, `$1${write}\n$1result = `)
    : source.replace("const result", `await ${write};\nconst result`).replace('"python"', '"node"');
}

test.for(readdirSync(folder))("the printed example %s runs as it is, but for its image and program", async (name) => {
  const source = withTool(readFileSync(join(folder, name), "utf8"));
  const env = { ...process.env, MVM_HOME: made.home };
  const python = name.endsWith(".py");
  const file = join(scratch, python ? name : `${name}.mjs`);
  writeFileSync(file, python ? source : transformSync(source, { loader: "ts", format: "esm", target: "node20" }).code);
  const program = python ? join(root, "python", ".venv", "bin", "python") : process.execPath;
  const { stdout, stderr } = await run(program, [file], { env });
  expect(stderr).toBe("");
  if (!source.includes("SecretRef")) return;
  // The guest had a placeholder of 49 letters; that server alone saw the value.
  expect(stdout.trim()).toBe("welcome 49");
  expect(shown.splice(0)).toEqual([`Bearer ${value}`]);
});
