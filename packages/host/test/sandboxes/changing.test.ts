import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { changing } from "../../src/sandboxes/changing.js";
import { MachineClock } from "../../src/sandboxes/machine-clock.js";
import type { Sandbox } from "../../src/sandboxes/sandbox.js";

describe("changing", () => {
  it("does one after the other, in order, whatever fails", async () => {
    const sandbox = { changing: null } as Sandbox;
    const seen: string[] = [];
    const work = (name: string, fails = false) =>
      changing(sandbox, async () => {
        seen.push(`${name} begins`);
        await turn();
        await turn();
        seen.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([work("a"), work("b", true), work("c"), work("d", true), work("e")]);
    expect(results.map(({ status }) => status === "fulfilled")).toEqual([true, false, true, false, true]);
    expect(seen).toEqual(["a", "b", "c", "d", "e"].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(sandbox.changing).toBeNull();
  });
});

describe("MachineClock", () => {
  it("stands still while the machine does", async () => {
    const clock = new MachineClock();
    clock.stop();
    const at = clock.now;
    for (let n = 0; n < 20; n++) await turn();
    clock.stop();
    expect([clock.now, clock.running]).toEqual([at, false]);
    clock.go();
    clock.go();
    const from = performance.now();
    while (performance.now() - from < 5) await turn();
    expect(clock.running).toBe(true);
    expect(clock.now).toBeGreaterThanOrEqual(at + 5);
    expect(clock.now).toBeLessThanOrEqual(at + (performance.now() - from) + 1);
  });
});
