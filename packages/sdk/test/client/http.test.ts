import { rmSync } from "node:fs";
import { isSandboxError, SandboxUnavailable, Timeout } from "@mvm/protocol";
import { afterEach, describe, expect, test } from "vitest";
import { DaemonClient } from "../../src/client/index.js";
import { answer, fakeDaemon, type FakeDaemon, type Handler, lines, temporaryHome } from "../support/fake-daemon.js";

let daemon: FakeDaemon | undefined;
afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
});

async function clientOf(handler: Handler, options = {}): Promise<DaemonClient> {
  daemon = await fakeDaemon(handler);
  return new DaemonClient({ home: daemon.home, autoStart: false, ...options });
}

const get = { method: "GET", path: "/things", operation: "things.list" } as const;
const post = { method: "POST", path: "/things", operation: "things.make", json: { a: 1 } } as const;

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it resolved"),
    (error: unknown) => error,
  );
}

describe("a call", () => {
  test("sends JSON and query and returns the answer", async () => {
    const client = await clientOf((request, response, body) =>
      answer(response, 200, { url: request.url, type: request.headers["content-type"], body: body.toString() }),
    );
    expect(await client.json({ ...post, query: { path: "/a b&c", flag: true, none: undefined } })).toEqual({
      url: "/v1/things?path=%2Fa%20b%26c&flag=true",
      type: "application/json",
      body: '{"a":1}',
    });
  });

  test("rejects with the error of the answer's document", async () => {
    const document = new SandboxUnavailable({
      code: "SANDBOX_NOT_FOUND",
      message: 'Cannot inspect "x": no sandbox has that name',
      state: "destroyed",
    }).toDocument();
    const client = await clientOf((_, response) => answer(response, 404, document));
    const error = await rejection(client.json(get));
    expect(error).toBeInstanceOf(SandboxUnavailable);
    expect(error).toMatchObject({ code: "SANDBOX_NOT_FOUND", state: "destroyed", outcome: "not_started" });
    expect(error).toMatchObject({ operation: "things.list" });
  });

  test("that meets no daemon was not started", async () => {
    const home = temporaryHome();
    const error = await rejection(new DaemonClient({ home, autoStart: false }).json(post));
    rmSync(home, { recursive: true });
    expect(error).toMatchObject({ code: "DAEMON_UNAVAILABLE", outcome: "not_started", retry: "safe" });
  });

  test("whose connection breaks has an unknown outcome, unless it is idempotent", async () => {
    const client = await clientOf((request) => void request.socket.destroy());
    expect(await rejection(client.json(post))).toMatchObject({ code: "OUTCOME_UNKNOWN", outcome: "unknown" });
    expect(await rejection(client.json(get))).toMatchObject({ code: "TRANSPORT_FAILED", retry: "safe" });
  });

  test("whose daemon was killed says that, and what to do", async () => {
    const client = await clientOf((request) => void request.socket.destroy());
    const error = await rejection(client.json(post));
    expect(error).toMatchObject({ name: "OutcomeUnknownError" });
    expect(String(error)).toContain(": the daemon ended, or was ended, before it had answered");
    expect((error as { hint: string }).hint).toMatch(
      /have ended with it\. Look up .* `mvmctl audit tail`, then try again/,
    );
  });

  test("to a hung daemon ends at its deadline", async () => {
    const client = await clientOf(() => undefined, { requestTimeoutMs: 100 });
    const began = performance.now();
    const error = await rejection(client.json(post));
    expect(error).toBeInstanceOf(Timeout);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "unknown" });
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test("whose answer stalls ends at its deadline", async () => {
    const client = await clientOf((_, response) => void response.writeHead(200).write('{"a":'), {
      requestTimeoutMs: 100,
    });
    expect(await rejection(client.json(get))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("rejects with the reason of its signal, before and during", async () => {
    const client = await clientOf(() => undefined);
    const reason = new Error("enough");
    expect(await rejection(client.json({ ...post, signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(daemon?.requests).toHaveLength(0);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    expect(await rejection(client.json({ ...post, signal: controller.signal }))).toBe(reason);
  });

  test("that is answered with something else than JSON is a protocol violation", async () => {
    const client = await clientOf((_, response) => void response.writeHead(500).end("<html>"));
    expect(await rejection(client.json(get))).toMatchObject({ code: "PROTOCOL_VIOLATION" });
  });
});

describe("a stream", () => {
  test("delivers events one at a time and throws the error event", async () => {
    const failure = new Timeout({ message: "Cannot start: too slow" }).toDocument().error;
    const client = await clientOf((_, response) => {
      lines(response, { event: "progress", phase: "boot" }, { event: "error", error: failure });
      response.end();
    });
    const stream = await client.stream(post);
    expect(await stream.next()).toEqual({ event: "progress", phase: "boot" });
    expect(await rejection(stream.next())).toBeInstanceOf(Timeout);
  });

  test("that breaks is an error of the transport", async () => {
    const client = await clientOf((request, response) => {
      lines(response, { event: "progress", phase: "boot" });
      setTimeout(() => request.socket.destroy(), 30);
    });
    const stream = await client.stream(post);
    await stream.next();
    const error = await rejection(stream.next());
    expect(isSandboxError(error) && error.boundary).toBe("transport");
    expect(String(error)).toContain("the daemon ended");
  });

  test("closes its connection when the loop is left", async () => {
    const client = await clientOf((_, response) => lines(response, { event: "progress", phase: "boot" }));
    for await (const event of await client.stream(post)) {
      expect(event.event).toBe("progress");
      break;
    }
    await expect.poll(() => daemon?.connections()).toBe(0);
  });

  test("may be silent while the daemon lives, and fails when it does not", async () => {
    let alive = true;
    const client = await clientOf(
      (request, response) => {
        if (request.url !== "/v1/version") return lines(response, { event: "progress", phase: "boot" });
        if (alive) answer(response, 200, {});
      },
      { requestTimeoutMs: 60 },
    );
    const stream = await client.stream(post);
    await stream.next();
    const next = rejection(stream.next());
    expect(await Promise.race([next, new Promise((done) => setTimeout(() => done("silent"), 400))])).toBe("silent");
    alive = false;
    expect(await next).toBeInstanceOf(Timeout);
  });
});
