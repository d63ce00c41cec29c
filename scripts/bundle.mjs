// Bundles the CLI into the one file packages/cli/dist/mvmctl.js. Verbs are loaded by `import()`, which the bundler turns
// into functions that run a module when it is first asked for: `run` pays for no other verb, and nothing is looked up on
// disk. CommonJS, because Node starts it faster than an ES module. The file is replaced in one step, so that a command
// that starts meanwhile sees the old build or the new one.
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const cli = join(dirname(fileURLToPath(import.meta.url)), "../packages/cli");
const dist = join(cli, "dist");
const { version } = JSON.parse(await readFile(join(cli, "package.json"), "utf8"));

const { outputFiles } = await build({
  entryPoints: { mvmctl: join(cli, "src/main.ts") },
  outdir: dist,
  bundle: true,
  write: false,
  platform: "node",
  target: "node20",
  format: "cjs",
  // Its parsers are native code and WebAssembly: loaded from their package by the verbs that compile.
  external: ["@mvm/declare"],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  define: { MVMCTL_VERSION: JSON.stringify(version), "import.meta.url": "importMeta.url" },
  banner: {
    js: '#!/usr/bin/env node\nconst importMeta={get url(){return require("node:url").pathToFileURL(__filename).href}};',
  },
  logLevel: "warning",
});

// What lets Node run SDK scripts in TypeScript is loaded by another process: a file of its own.
const loader = await build({
  entryPoints: { "typescript-loader": join(cli, "src/script/typescript-loader.ts") },
  outdir: dist,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  write: false,
  platform: "node",
  target: "node20",
  format: "esm",
  external: ["esbuild"],
  logLevel: "warning",
});
outputFiles.push(...loader.outputFiles);

await mkdir(dist, { recursive: true });
await replace(join(dist, "package.json"), '{ "type": "commonjs" }\n', 0o644);
for (const { path, contents } of outputFiles) await replace(path, contents, 0o755);

async function replace(path, contents, mode) {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, contents, { mode });
  await rename(temporary, path);
}
