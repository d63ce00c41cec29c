import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Api } from "../support/api.js";
import { checkHome, machinesGone, startDaemon, stopped } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

const rounds = Number(process.env["MVM_CRASH_ROUNDS"] ?? "15");
const seed = Number(process.env["MVM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let made: ReturnType<typeof makeHome>;
beforeAll(async () => {
  made = makeHome();
  const daemon = await startDaemon(made.home);
  (await daemon.api.create()).lease.abort();
  await stopped(daemon);
});
afterAll(() => made.remove());

/** What the daemons have logged of a sandbox, the latest last. */
function lastLines(log: string, id: string): string {
  const lines = readFileSync(log, "utf8").split("\n");
  return lines
    .filter((line) => line.includes(id))
    .slice(-12)
    .join("\n");
}

/** Mulberry32: small, seeded, the same everywhere. */
function random(state: number): (below: number) => number {
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One client doing what clients do, until the daemon is gone. Calls may fail; what they leave is checked afterwards. */
async function client(api: Api, pick: (below: number) => number, over: () => boolean, kept: string[]): Promise<void> {
  while (!over()) {
    const name = `d${pick(3)}`;
    const verbs = [
      async () => {
        const { info, lease } = await api.create();
        await api.exec(info.id, ["true"]);
        lease.abort();
      },
      async () => void (await api.lines("POST", "/v1/runs", { sandbox: {}, command: { argv: ["true"] } })),
      async () => {
        const lines = await api.lines("POST", "/v1/sandboxes", { name, detach: true, ttl_seconds: 600 });
        if (lines.at(-1)?.event === "created") kept.push(name);
      },
      async () => {
        // From here on it is in doubt: whether the answer comes or not.
        kept.splice(0, kept.length, ...kept.filter((other) => other !== name));
        await api.json("DELETE", `/v1/sandboxes/${name}`);
      },
      async () => void (await api.exec(name, ["sh", "-c", "echo x >> log; sync"])),
      async () => void (await api.json("PUT", `/v1/sandboxes/${name}/ttl`, { ttl_seconds: 500 + pick(99) })),
    ];
    await verbs[pick(verbs.length)]!().catch(() => sleep(10));
  }
}

it(`D-13 a daemon killed ${rounds} times at random under mixed load, seed=${seed}`, { timeout: 900_000 }, async () => {
  console.log(`seed=${seed} rounds=${rounds} (MVM_SEED and MVM_CRASH_ROUNDS choose others)`);
  const pick = random(seed);
  let kept: string[] = [];
  let found = 0;
  for (let round = 0; round < rounds; round++) {
    const daemon = await startDaemon(made.home);
    const infos = await checkHome(made.home, daemon.api);
    found += infos.length;
    const where = `round ${round}, seed ${seed}`;
    const lost = infos.filter(({ detached, state }) => !detached || state !== "running");
    const why = lost.map(({ id }) => lastLines(join(made.home, "logs", "mvmd.log"), id));
    expect(lost, `${where}\n${why.join("\n")}`).toEqual([]);
    // What a client was told exists, and nobody asked to delete, is there and works.
    expect(infos.map(({ name }) => name)).toEqual(expect.arrayContaining([...new Set(kept)]));
    for (const { id } of infos) expect((await daemon.api.exec(id, ["echo", "alive"])).stdout, where).toBe("alive\n");
    const { body } = await daemon.api.json("GET", "/v1/doctor");
    const aside = body.checks.find(({ name }: { name: string }) => name === "quarantine");
    expect(aside.detail, where).toBe("empty");

    let over = false;
    kept = infos.flatMap(({ name }) => name ?? []);
    const clients = Array.from({ length: 3 }, () => client(daemon.api, pick, () => over, kept));
    await sleep(300 + pick(2_500));
    over = true;
    await daemon.kill();
    await Promise.all(clients);
  }
  const last = await startDaemon(made.home);
  for (const { id } of await checkHome(made.home, last.api)) {
    expect((await last.api.json("DELETE", `/v1/sandboxes/${id}`)).body.destroyed).toBe(true);
  }
  await machinesGone(made.home);
  expect(readdirSync(join(made.home, "sandboxes"))).toEqual([]);
  await stopped(last);
  console.log(`${rounds} kills survived, ${found} detached sandboxes adopted`);
});
