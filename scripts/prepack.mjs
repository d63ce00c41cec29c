// Completes the package in the working directory before npm packs it: what a published package needs and a checkout
// keeps elsewhere. npm runs it as the `prepack` of each package; the copies are ignored by git.
import { cpSync, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const here = process.cwd();

/** Per package: where a copy comes from, and its name in the package. */
const parts = {
  host: [["guest/target/x86_64-unknown-linux-gnu/release/mvm-agent", "agent/mvm-agent"]],
  cli: [["scripts/setup", "setup"]],
};

const built = basename(here) === "cli" ? "dist/mvmctl.js" : "dist/index.js";
if (!existsSync(join(here, built))) fail(`${built} is missing`);
for (const [from, to] of [["LICENSE", "LICENSE"], ...(parts[basename(here)] ?? [])]) {
  const source = join(root, from);
  if (!existsSync(source)) fail(`${from} is missing`);
  // Beside it first: a daemon of this checkout that starts meanwhile finds the whole old one or the whole new one.
  const staged = join(here, `${to}.new`);
  rmSync(staged, { recursive: true, force: true });
  cpSync(source, staged, { recursive: true, preserveTimestamps: true });
  if (statSync(source).isDirectory()) rmSync(join(here, to), { recursive: true, force: true });
  renameSync(staged, join(here, to));
}

function fail(what) {
  console.error(`Cannot pack ${basename(here)}: ${what}; run ./mvmctl setup first`);
  process.exit(1);
}
