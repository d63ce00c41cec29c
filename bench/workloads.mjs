import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compileModule } from "@mvm/declare";
import { parseWorkload } from "@mvm/protocol/workload";
import { median, ms, ratio } from "./stats.mjs";

const rounds = 5;
const lines = 1000;
const apps = 10_000;
const root = join(import.meta.dirname, "..");

/** What every parser has to read before and behind the one declaration. */
const modules = {
  typescript: {
    line: (at) => `const v${at} = { a: [1, 2, "three"], b: [null, true] };\n`,
    declaration:
      'import { defineWorkload } from "@mvm/sdk";\nexport default defineWorkload({ id: "bench", image: "python", command: ["true"], resources: {} });\n',
  },
  python: {
    line: (at) => `V${at} = {"a": [1, 2, "three"], "b": (None, True)}\n`,
    declaration:
      'import mvm\nmvm.define_workload(id="bench", image="python", command=["true"], resources=mvm.resources())\n',
  },
};

/** Median of some rounds, after one that warms up. Milliseconds. */
async function timed(work) {
  await work();
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
  }
  return median(times);
}

/** Compiling modules, validating documents and recording scripts; none of it needs a machine. */
export async function measureWorkloads() {
  const node = await timed(() => execFileSync(process.execPath, ["-e", "0"]));
  const rows = [];
  for (const [language, { line, declaration }] of Object.entries(modules)) {
    const source = Buffer.from(declaration + Array.from({ length: lines }, (_, at) => line(at)).join(""));
    const time = await timed(async () => {
      const { problems } = await compileModule(source, /** @type {keyof typeof modules} */ (language));
      if (problems.length > 0) throw new Error(`The module of ${language} does not compile: ${problems[0].detail}`);
    });
    rows.push([`compile ${lines} lines of ${language}`, ms(time), `${ratio(time / node)} of \`node -e 0\``, "", true]);
  }
  const app = {
    name: "bench",
    image: { kind: "reference", reference: "python" },
    entrypoints: [{ kind: "command", command: ["true"] }],
    resources: { cpu_cores: 1, memory_mb: 512, rootfs_size_mb: 2048 },
    files: [{ path: "/home/user/main.py", bytes_b64: "cHJpbnQoNDIp" }],
  };
  const document = { schema_version: "0.1", id: "bench", apps: Array.from({ length: apps }, () => app) };
  const bytes = Buffer.from(JSON.stringify(document));
  const time = await timed(() => {
    const codes = parseWorkload(bytes).problems.map(({ code }) => code);
    if (codes.join() !== "E_MULTI_APP_DEFERRED") throw new Error(`The document was judged as ${codes.join()}`);
  });
  const size = `${(bytes.length / 2 ** 20).toFixed(1)} MiB`;
  rows.push([`validate a document of ${apps} apps`, ms(time), size, "", true]);
  const script = join(root, "tests/recordings/steps.ts");
  const cli = join(root, "packages/cli/dist/mvmctl.js");
  const recorded = await timed(() =>
    execFileSync(process.execPath, [cli, "run", "--mode", "record", script], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  rows.push(["`mvmctl run --mode record`", ms(recorded), `${ratio(recorded / node)} of \`node -e 0\``, "", true]);
  return rows;
}
