import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli } from "../support/cli.js";
import { makeHome, root } from "../support/home.js";

const run = promisify(execFile);
const folder = join(root, "tests", "conformance", "examples");
const made = makeHome();
// Inside the checkout, so that `@mvm/sdk` resolves as it does for a user who installed it.
const scratch = mkdtempSync(join(root, "tests", ".docs-"));
/** Whether this version can put secrets into requests. */
let secrets = false;

beforeAll(async () => {
  execFileSync(join(root, "scripts", "python-venv.sh"), { stdio: "inherit" });
  const put = ["secret", "put", "openai-api-key", "--host", "api.openai.com"];
  await cli(put, { home: made.home, stdin: "not-a-key" });
  const asked = [
    "--profile",
    "standard",
    "--allow-host",
    "api.openai.com",
    "--secret",
    "OPENAI_API_KEY=openai-api-key",
  ];
  secrets = (await cli(["run", "--dry-run", ...asked, "python", "true"], { home: made.home })).code === 0;
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  made.remove();
});

test.for(readdirSync(folder))("the printed example %s runs as it is, but for its image", async (name, { skip }) => {
  const source = readFileSync(join(folder, name), "utf8");
  if (source.includes("SecretRef") && !secrets) skip("this version cannot put secrets into requests");
  const env = { ...process.env, MVM_HOME: made.home };
  if (name.endsWith(".py")) {
    const { stderr } = await run(join(root, "python", ".venv", "bin", "python"), [join(folder, name)], { env });
    expect(stderr).toBe("");
    return;
  }
  const file = join(scratch, `${name}.mjs`);
  writeFileSync(file, transformSync(source, { loader: "ts", format: "esm", target: "node20" }).code);
  const { stderr } = await run(process.execPath, [file], { env });
  expect(stderr).toBe("");
});
