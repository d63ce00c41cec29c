import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  acceleratorScale,
  canTransition,
  deadline,
  idGenerator,
  isEnded,
  isId,
  newId,
  sandboxStates,
  signalName,
  signalNumber,
  transitions,
} from "../src/index.js";

describe("ids", () => {
  test("sort by time and strictly increase, whatever the clock does", () => {
    const next = idGenerator();
    const times = [1000, 1000, 1000, 999, 5, 1001, 1001, 2 ** 45];
    const ids = times.map((time) => next("run", time));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => isId(id, "run"))).toBe(true);
  });

  test("of a million are all different", () => {
    const next = idGenerator();
    const ids = new Set<string>();
    for (let i = 0; i < 1_000_000; i++) ids.add(next("sbx"));
    expect(ids.size).toBe(1_000_000);
  });

  test("have one form", () => {
    expect(newId("evt")).toMatch(/^evt_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(["", "sbx_", "sbx_x", `foo_${"0".repeat(26)}`, `sbx_${"I".repeat(26)}`].some((text) => isId(text))).toBe(
      false,
    );
    expect(isId(newId("sbx"), "run")).toBe(false);
  });
});

describe("states", () => {
  test("may go where the contract says", () => {
    expect(canTransition("creating", "running")).toBe(true);
    expect(canTransition("running", "paused") && canTransition("paused", "running")).toBe(true);
    expect(canTransition("cold", "running")).toBe(false);
    expect(canTransition("cold", "restoring") && canTransition("restoring", "running")).toBe(true);
    expect(canTransition("stopped", "running")).toBe(true);
    for (const state of sandboxStates) {
      if (state !== "destroyed") expect(transitions[state]).toContain("destroyed");
      if (!isEnded(state)) expect(transitions[state]).toContain("failed");
    }
    expect(transitions.destroyed).toEqual([]);
  });
});

test("deadlines of guests scale with the accelerator, those of the host do not", () => {
  expect(deadline("boot", "tcg")).toBe(deadline("boot", "kvm") * acceleratorScale.tcg);
  expect(deadline("daemonStart")).toBe(15_000);
});

test("signals have names and numbers", () => {
  expect([9, 15, 34].map(signalName)).toEqual(["SIGKILL", "SIGTERM", "SIG34"]);
  expect(["SIGKILL", "kill", "9", "SIG34", "0", "65", "SIG", "SIGNOPE", ""].map(signalNumber)).toEqual([
    9,
    9,
    9,
    34,
    null,
    null,
    null,
    null,
    null,
  ]);
});

test("the package's root loads no library", () => {
  const script = `await import("@mvm/protocol"); await import("@mvm/protocol/frames");`;
  const loader = `export async function resolve(s, c, next) { const r = await next(s, c); if (r.url.includes("typebox")) throw new Error("loaded " + r.url); return r; }`;
  const register = `import { register } from "node:module"; register("data:text/javascript," + encodeURIComponent(${JSON.stringify(loader)}));`;
  const run = (code: string) =>
    execFileSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(register)}`, "--input-type=module", "-e", code],
      {
        cwd: new URL("..", import.meta.url),
        stdio: "pipe",
      },
    );
  expect(() => run(script)).not.toThrow();
  expect(() => run(`await import("@mvm/protocol/schemas")`)).toThrow(/loaded .*typebox/);
});
