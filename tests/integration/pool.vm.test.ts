import { setTimeout as sleep } from "node:timers/promises";
import type { PoolInfo } from "@mvm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
beforeAll(async () => {
  made = makeHome();
  await mvmctl("pool", "set", "python", "2");
});
afterAll(() => made.remove());

async function mvmctl(...args: string[]): Promise<Record<string, unknown>> {
  const finished = await cli([...args.slice(0, 2), "--json", ...args.slice(2)], { home: made.home });
  expect(finished.code, finished.stderr.toString()).toBe(0);
  return document(finished) as Record<string, unknown>;
}

async function filled(): Promise<PoolInfo> {
  for (;;) {
    const [pool] = (await mvmctl("pool", "ls"))["pools"] as PoolInfo[];
    if (pool !== undefined && pool.ready === pool.size) return pool;
    await sleep(100);
  }
}

describe("a pool of waiting machines", () => {
  it("gives each sandbox a machine of its own, that differs and knows the time", async () => {
    await filled();
    const facts = "cat /proc/sys/kernel/random/uuid /etc/machine-id /etc/hostname; date +%s; echo $MARK";
    const seen: string[][] = [];
    for (const mark of ["a", "b"]) {
      const args = ["run", "--json", "--profile", "standard", "--env", `MARK=${mark}`, "--", "sh", "-c", facts];
      const finished = await cli(args, { home: made.home });
      const result = document(finished) as { stdout: string; timings: { start: string } };
      expect(result.timings.start).toBe("pool");
      const lines = result.stdout.trim().split("\n");
      expect(lines[4]).toBe(mark);
      expect(Math.abs(Number(lines[3]) - Date.now() / 1000)).toBeLessThan(60);
      seen.push(lines.slice(0, 3));
    }
    for (const at of [0, 1, 2]) expect(seen[0]?.[at]).not.toBe(seen[1]?.[at]);
  });

  it("is filled again, and counts what it served", async () => {
    expect(await filled()).toMatchObject({ claimed: 2, ready: 2, problem: null });
  });

  it("shows nobody's machines in ls, and ends with size 0", async () => {
    const list = await cli(["ls", "--json"], { home: made.home });
    expect(document(list)).toMatchObject({ sandboxes: [] });
    await mvmctl("pool", "set", "python", "0");
    expect(await mvmctl("pool", "ls")).toMatchObject({ pools: [] });
  });
});
