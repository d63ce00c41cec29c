import { createError } from "@mvm/protocol/errors";
import { expect, test } from "vitest";
import { retryTransient } from "../../src/client/retry.js";

/** Fails with each error in turn, then succeeds. */
function failing(...errors: unknown[]): { calls: number; call: () => Promise<string> } {
  const seen = { calls: 0, call: () => Promise.resolve("") };
  seen.call = () => {
    const error = errors[seen.calls++];
    return error === undefined ? Promise.resolve("done") : Promise.reject(error as Error);
  };
  return seen;
}
const crash = (outcome: "not_started" | "unknown") => createError("VM_CRASHED", { message: "Cannot start", outcome });

test("a passing failure before anything happened is tried again", async () => {
  const seen = failing(crash("not_started"), crash("not_started"));
  expect(await retryTransient(seen.call)).toBe("done");
  expect(seen.calls).toBe(3);
});

test("three tries are enough", async () => {
  const last = crash("not_started");
  const seen = failing(crash("not_started"), crash("not_started"), last);
  await expect(retryTransient(seen.call)).rejects.toBe(last);
});

test.each([
  ["an unknown outcome", crash("unknown")],
  [
    "a full host, which was waited for already",
    createError("VM_CAPACITY", { message: "Cannot start", outcome: "not_started" }),
  ],
  ["an error that stays", createError("INVALID_ARGUMENT", { message: "Cannot use it" })],
  ["what is no error of the table", new Error("no")],
])("%s is not tried again", async (_what, error) => {
  const seen = failing(error);
  await expect(retryTransient(seen.call)).rejects.toBe(error);
  expect(seen.calls).toBe(1);
});

test("an abort during the pause rejects with its reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const seen = failing(crash("not_started"), crash("not_started"), crash("not_started"));
  const tried = retryTransient(() => {
    abort.abort(reason);
    return seen.call();
  }, abort.signal);
  await expect(tried).rejects.toBe(reason);
  expect(seen.calls).toBe(1);
});
