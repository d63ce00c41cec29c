import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Sandbox, Snapshot } from "@mvm/sdk";
import { floor } from "./start.mjs";
import { median, ms, ratio } from "./stats.mjs";

const rounds = 20;
const touchedMb = 200;
const mvmctl = join(import.meta.dirname, "..", "mvmctl");

async function timed(work) {
  const begin = performance.now();
  const value = await work();
  return [performance.now() - begin, value];
}

/** What can be done with a machine that runs: each in turn with the floor, so that drift hits all of them alike. */
export async function measureLifecycle({ template, image }) {
  const source = await Sandbox.create("python");
  const seen = { floor: [], fork: [], pause: [], resume: [], cold: [], wake: [], save: [], restore: [] };
  const add = (name, value) => seen[name].push(value);
  await source.commands.run(["true"]);
  for (let round = 0; round < rounds; round++) {
    add("floor", floor(template, image).first_ms);
    const [forked, fork] = await timed(async () => {
      const [made] = await source.fork();
      await made.commands.run(["true"]);
      return made;
    });
    add("fork", forked);
    await fork.destroy();
    add("pause", (await timed(() => source.pause()))[0]);
    add("resume", (await timed(() => source.resume()))[0]);
    add("cold", (await timed(() => source.cold()))[0]);
    const wake = await timed(async () => {
      await source.resume();
      await source.commands.run(["true"]);
    });
    add("wake", wake[0]);
  }
  const touched = await measureTouched(source, add);
  await source.destroy();
  return rowsOf(seen, touched);
}

/** Saves before and after a program holds `touchedMb` more: the difference is what the memory costs. */
async function measureTouched(source, add) {
  const saves = async () => {
    const taken = [];
    for (let round = 0; round < 5; round++) {
      const [saved, snapshot] = await timed(() => source.snapshot());
      taken.push(saved);
      const [restored, sandbox] = await timed(async () => {
        const made = await Sandbox.restore(snapshot.id);
        await made.commands.run(["true"]);
        return made;
      });
      add("restore", restored);
      await sandbox.destroy();
      await snapshot.remove();
    }
    return median(taken);
  };
  const before = await saves();
  add("save", before);
  const hold = `import os,sys\nx=os.urandom(${touchedMb}<<20)\nprint(1,flush=True)\nsys.stdin.read()`;
  const program = await source.commands.start(["python3", "-c", hold], { stdin: "pipe" });
  for await (const event of program) if (event.type === "stdout") break;
  const after = await saves();
  await program.kill();
  if ((await Snapshot.list()).length > 0) process.stderr.write("bench: snapshots of others are there\n");
  return Math.max(0, ((after - before) / touchedMb) * 100);
}

/** Create and first result from a pool of waiting machines, in turn with the same without one. */
export async function measurePool() {
  const first = async () => {
    const [taken, sandbox] = await timed(async () => {
      const made = await Sandbox.create("python");
      await made.commands.run(["true"]);
      return made;
    });
    await sandbox.destroy();
    return taken;
  };
  const pool = (size) => JSON.parse(execFileSync(mvmctl, ["pool", "set", "--json", "python", String(size)]).toString());
  const ready = () => JSON.parse(execFileSync(mvmctl, ["pool", "ls", "--json"]).toString()).pools[0]?.ready ?? 0;
  const plain = [];
  for (let round = 0; round < rounds; round++) plain.push(await first());
  pool(2);
  const pooled = [];
  for (let round = 0; round < rounds; round++) {
    while (ready() < 2) await sleep(100);
    // The machine made last is still settling; a claim waits for nobody in practice either.
    await sleep(500);
    pooled.push(await first());
  }
  pool(0);
  const share = median(pooled) / median(plain);
  return [
    ["create and first result without a pool", ms(median(plain)), "1", "", true],
    ["  from the pool", ms(median(pooled)), `${ratio(share)} without`, "≤ 0.25 × without", share <= 0.25],
  ];
}

function rowsOf(seen, per100) {
  const base = median(seen.floor);
  const row = (what, name) => [what, ms(median(seen[name])), `${ratio(median(seen[name]) / base)} floor`, "", true];
  return [
    row("fork to the fork's first result", "fork"),
    row("pause", "pause"),
    row("resume", "resume"),
    row("running to cold", "cold"),
    row("cold to first result", "wake"),
    row("snapshot save, idle python machine", "save"),
    ["  and per 100 MB touched", ms(per100), `${ratio(per100 / base)} floor`, "", true],
    row("restore of a snapshot to first result", "restore"),
  ];
}
