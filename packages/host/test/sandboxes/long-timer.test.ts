import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { expiryAfter, remainingMs } from "../../src/sandboxes/expiry.js";
import { longTimer } from "../../src/sandboxes/long-timer.js";

test("a delay beyond what Node's timers hold does not fire at once", async () => {
  const action = vi.fn();
  const timer = longTimer(2 ** 31 + 5, action);
  const month = longTimer(30 * 24 * 3600 * 1000, action);
  await sleep(30);
  expect(action).not.toHaveBeenCalled();
  timer.cancel();
  month.cancel();
  longTimer(10, action);
  await sleep(40);
  expect(action).toHaveBeenCalledTimes(1);
});

test("an expiry of this boot ignores steps of the wall clock; one of another boot goes by it", () => {
  const day = 24 * 3600 * 1000;
  const expiry = expiryAfter(60);
  for (const now of [Date.now() - day, Date.now() + day])
    expect(Math.abs(remainingMs(expiry, now) - 60_000)).toBeLessThan(1_500);
  const elsewhere = { ...expiry, bootId: "another" };
  expect(remainingMs(elsewhere, Date.now() + day)).toBeLessThan(0);
});
