import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "@mvm/sdk";
import { median, ms, p95, ratio } from "./stats.mjs";

const rounds = 24;
const coldRounds = 5;
const bench = import.meta.dirname;
const mvmctl = join(bench, "..", "mvmctl");

/** A floor run in a process of its own; `boot` makes it a cold boot. */
export function floor(template, image, boot) {
  const args = [join(bench, "floor.mjs"), template, image, ...(boot === undefined ? [] : [boot.directory])];
  const env = { ...process.env, TSC_KHZ: String(boot?.tscKhz ?? "") };
  return JSON.parse(execFileSync(process.execPath, args, { env, timeout: 120_000 }).toString());
}

async function sdk() {
  const begin = performance.now();
  const sandbox = await Sandbox.create("python");
  await sandbox.commands.run(["true"]);
  const first = performance.now();
  await sandbox.commands.run(["true"]);
  const second = performance.now();
  await sandbox.destroy();
  return { first_ms: first - begin, second_ms: second - first };
}

function whole(command, args) {
  const begin = performance.now();
  const { status } = spawnSync(command, args, { stdio: "ignore", timeout: 60_000 });
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
  return performance.now() - begin;
}

/** Starts, measured in turn so that a machine whose speed drifts drifts for all of them. */
export async function measureStarts({ template, image, boot }) {
  const seen = { floor: [], sdk: [], cli: [], node: [], cold: [] };
  for (let round = -2; round < rounds; round++) {
    const sample = {
      floor: floor(template, image),
      sdk: await sdk(),
      cli: whole(mvmctl, ["run", "--quiet", "--", "true"]),
      node: whole(process.execPath, ["-e", "0"]),
    };
    if (round >= 0) for (const [name, value] of Object.entries(sample)) seen[name].push(value);
  }
  for (let round = 0; round < coldRounds; round++) seen.cold.push(floor(template, image, boot));
  return rows(seen);
}

function rows(seen) {
  const of = (name, field) => seen[name].map((sample) => sample[field]);
  const floorFirst = median(of("floor", "first_ms"));
  const floorSecond = median(of("floor", "second_ms"));
  const sdkFirst = of("sdk", "first_ms");
  const node = median(seen.node);
  const allowed = 1.3 * floorFirst + 2 * node;
  const cold = median(of("cold", "first_ms"));
  return [
    ["floor: restore and first `true`", ms(floorFirst), "1", "", true],
    ["floor: second `true`", ms(floorSecond), "1", "", true],
    ["`node -e 0`", ms(node), "", "", true],
    [
      "`Sandbox.create()` + first `commands.run`",
      ms(median(sdkFirst)),
      `${ratio(median(sdkFirst) / floorFirst)} floor`,
      "≤ 1.3 × floor",
      median(sdkFirst) <= 1.3 * floorFirst,
    ],
    [
      "  the same, p95",
      ms(p95(sdkFirst)),
      `${ratio(p95(sdkFirst) / floorFirst)} floor`,
      "≤ 2 × floor",
      p95(sdkFirst) <= 2 * floorFirst,
    ],
    [
      'later `commands.run(["true"])`',
      ms(median(of("sdk", "second_ms"))),
      `${ratio(median(of("sdk", "second_ms")) / floorSecond)} floor's second`,
      "≤ 1.5 ×",
      median(of("sdk", "second_ms")) <= 1.5 * floorSecond,
    ],
    [
      "`mvmctl run -- true`, daemon up",
      ms(median(seen.cli)),
      `${ratio(median(seen.cli) / allowed)} allowed`,
      `≤ 1.3 × floor + 2 × node = ${ms(allowed)}`,
      median(seen.cli) <= allowed,
    ],
    [
      "cold boot to first `true`",
      ms(cold),
      `${ratio(cold / floorFirst)} floor`,
      "restore ≥ 8 × faster",
      cold >= 8 * floorFirst,
    ],
  ];
}

/** The template that default sandboxes start from, and what it was made of. */
export function defaultTemplate(home, templates) {
  const fits = templates
    .map((directory) => ({
      directory,
      inputs: JSON.parse(readFileSync(join(directory, "template.json"), "utf8")).inputs,
    }))
    .find(
      ({ inputs }) =>
        inputs.memoryMb === 512 && inputs.cpus === 1 && inputs.diskMb === 2048 && inputs.warmUp.length > 0,
    );
  if (fits === undefined) throw new Error("No default template yet: run `./mvmctl run -- true` first");
  return {
    template: fits.directory,
    inputs: fits.inputs,
    image: join(home, "images", `${fits.inputs.imageDigest.slice(7)}.erofs`),
  };
}
