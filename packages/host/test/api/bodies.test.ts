import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastify from "fastify";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { installJsonBodies } from "../../src/api/bodies.js";

afterEach(() => vi.useRealTimers());

/** A call that takes an hour, sent with the given start of a body. */
async function longCall(headers: Record<string, string>, body: string) {
  const directory = mkdtempSync(join(tmpdir(), "mvm-bodies-"));
  const socketPath = join(directory, "socket");
  const app = fastify();
  installJsonBodies(app);
  let begun: () => void = () => undefined;
  const started = new Promise<void>((resolve) => (begun = resolve));
  app.addHook("preParsing", (_request, _reply, _payload, done) => (done(), begun()));
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  app.post("/", () => over.then(() => "done"));
  await app.listen({ path: socketPath });
  onTestFinished(async () => {
    await app.close();
    rmSync(directory, { recursive: true });
  });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const call = request({ socketPath, agent: false, method: "POST", path: "/", headers });
  const answer = once(call, "response").then(
    ([response]) => (response as IncomingMessage).statusCode,
    (error: NodeJS.ErrnoException) => error.code,
  );
  call.flushHeaders();
  call.write(body);
  if (Object.keys(headers).length === 0) call.end();
  await started;
  vi.advanceTimersByTime(3_600_000);
  finish();
  return await answer;
}

test("a body that does not come ends the connection, a call without one may take its time", async () => {
  const json = { "content-type": "application/json" };
  expect(await longCall({ ...json, "content-length": "5" }, "{")).toBe("ECONNRESET");
  vi.useRealTimers();
  expect(await longCall({ "content-length": "0" }, "")).toBe(200);
});
