import { setTimeout as sleep } from "node:timers/promises";
import { VmCapacityError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { StartQueue, type StartQueueOptions, type StartSlot } from "../../src/sandboxes/queue.js";
import { memoryObstacle, startEstimateMb } from "../../src/sandboxes/host-memory.js";

const queue = (options: Partial<StartQueueOptions> = {}): StartQueue =>
  new StartQueue({ slots: 1, deadlineMs: 5_000, maxWaiting: 10, roomFor: () => undefined, retryMs: 10, ...options });

test("lets starts in one after the other, in the order they came", async () => {
  const starts = queue();
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4].map(async (n) => {
      const slot = await starts.enter(1);
      order.push(n);
      await sleep(2);
      slot.release();
    }),
  );
  expect(order).toEqual([0, 1, 2, 3, 4]);
  expect(starts.depth).toBe(0);
});

test("never runs more than its slots at once, and a slot released twice is free once", async () => {
  const starts = queue({ slots: 2, maxWaiting: 100 });
  let running = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const slot = await starts.enter(1);
      most = Math.max(most, ++running);
      await sleep(1);
      running--;
      slot.release();
      slot.release();
    }),
  );
  expect(most).toBe(2);
});

test("a waiting start can be cancelled, and the others move up", async () => {
  const starts = queue();
  const first = await starts.enter(1);
  const abort = new AbortController();
  const cancelled = starts.enter(1, abort.signal);
  const third = starts.enter(1);
  abort.abort(new Error("gone"));
  await expect(cancelled).rejects.toThrow("gone");
  first.release();
  (await third).release();
  await expect(starts.enter(1, abort.signal)).rejects.toThrow("gone");
});

test("waits for memory in order, counts what is promised, and says what was missing at the deadline", async () => {
  let free = 100;
  const starts = queue({
    slots: 5,
    deadlineMs: 60,
    roomFor: (need, reserved) =>
      memoryObstacle({ availableMb: free, needMb: need, reservedMb: reserved }, { floorMb: 20, cloneMb: 50 }),
  });
  const slots: StartSlot[] = [await starts.enter(50)];
  await expect(starts.enter(50)).rejects.toThrow(
    /needs 50 MiB of host memory, and of 100 MiB available 50 are promised and 20 stay free/,
  );
  const waiting = starts.enter(50);
  free = 200;
  slots.push(await waiting);
  slots.forEach((slot) => slot.release());
});

test("refuses at once when too many wait", async () => {
  const starts = queue({ maxWaiting: 1 });
  const slot = await starts.enter(1);
  const waiting = starts.enter(1);
  await expect(starts.enter(1)).rejects.toThrow(VmCapacityError);
  slot.release();
  (await waiting).release();
});

test("counts what a clone touches, not what its guest is promised", () => {
  const rule = { floorMb: 512, cloneMb: 100 };
  expect(startEstimateMb(4096, rule)).toBe(132);
  expect(startEstimateMb(64, rule)).toBe(96);
});
