import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox } from "@mvm/sdk";
import { machinePids } from "./processes.mjs";
import { median, ms, p95, ratio } from "./stats.mjs";

const count = 50;
const rounds = 2;

/** Milliseconds until each of the raw machines has answered, gated by nothing but the number of cores. */
function floor(template, image) {
  const args = [join(import.meta.dirname, "floor-burst.mjs"), template, image, String(count)];
  return JSON.parse(execFileSync(process.execPath, args, { timeout: 300_000 }).toString()).answered_ms;
}

async function sdk() {
  const begin = performance.now();
  const ids = new Set();
  const answered = [];
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      const sandbox = await Sandbox.create("python");
      ids.add(sandbox.id);
      const { exitCode } = await sandbox.commands.run(["true"]);
      answered.push(performance.now() - begin);
      if (exitCode !== 0) throw new Error(`exit code ${exitCode}`);
      return sandbox;
    }),
  );
  const alive = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  await Promise.all(alive.map((sandbox) => sandbox.destroy()));
  for (let tries = 0; tries < 100 && machinePids(ids).length > 0; tries++) await sleep(100);
  return { answered, alive: alive.length, left: machinePids(ids).length };
}

/** Fifty sandboxes asked for at once, in turn with fifty raw machines. */
export async function measureBurst({ template, image }) {
  const seen = { floor: [], sdk: [] };
  for (let round = 0; round < rounds; round++) {
    seen.floor.push(floor(template, image));
    seen.sdk.push(await sdk());
  }
  const floors = seen.floor.flat();
  const answered = seen.sdk.flatMap((one) => one.answered);
  const alive = Math.min(...seen.sdk.map((one) => one.alive));
  const left = Math.max(...seen.sdk.map((one) => one.left));
  const against = (of) => `${ratio(of(answered) / of(floors))} floor's burst`;
  return [
    [
      `floor's burst: ${count} raw machines, one start a core`,
      `p50 ${ms(median(floors))}, p95 ${ms(p95(floors))}`,
      "1",
      "",
      true,
    ],
    [`${count} creates at once: answered`, `${alive} of ${count}`, "", "all", alive === count],
    [
      "  half of them after",
      ms(median(answered)),
      against(median),
      "≤ 1.3 ×",
      median(answered) <= 1.3 * median(floors),
    ],
    ["  95 % of them after", ms(p95(answered)), against(p95), "", true],
    ["  machines left afterwards", String(left), "", "0", left === 0],
  ];
}
