import { spawn } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import {
  BackendUnsupported,
  CleanupError,
  InvalidArgumentError,
  NetworkPolicy,
  Sandbox,
  SecretRef,
} from "../../src/index.js";
import { answer, lines } from "../support/fake-daemon.js";
import { type Answers, id, infoDocument, sandboxDaemon } from "../support/sandbox-daemon.js";

let daemon: Awaited<ReturnType<typeof sandboxDaemon>>;
afterEach(() => daemon.close());

async function at(answers: Answers = {}): Promise<{ home: string; autoStart: false }> {
  daemon = await sandboxDaemon(answers);
  return { home: daemon.home, autoStart: false };
}

const requested = (method: string) => daemon.requests.filter((request) => request.method === method);

describe("creating", () => {
  test("sends what was asked for and holds the lease", async () => {
    const options = await at();
    const progress: string[] = [];
    const sandbox = await Sandbox.create("python", {
      ...options,
      name: "box",
      workloadId: "w",
      profile: "restrictive",
      memoryMb: 256,
      ttlSeconds: 60,
      network: NetworkPolicy.denyByDefault().allowHttps("API.openai.com"),
      secrets: { OPENAI_API_KEY: SecretRef.from("openai-api-key") },
      tags: { team: "a" },
      onProgress: (event) => progress.push(event.event),
    });
    expect(JSON.parse(requested("POST")[0]?.body.toString() ?? "")).toEqual({
      image: "python",
      name: "box",
      workload_id: "w",
      profile: "restrictive",
      memory_mb: 256,
      ttl_seconds: 60,
      network: { default: "deny", allow: [{ host: "api.openai.com", port: 443, protocol: "https" }] },
      secrets: { OPENAI_API_KEY: { secret: "openai-api-key" } },
      tags: { team: "a" },
    });
    expect(requested("POST")[0]?.headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(sandbox).toMatchObject({ id, name: "box" });
    expect(sandbox.info).toMatchObject({ memoryMb: 512, tags: { some_tag: "x" }, image: { name: "python" } });
    expect(progress).toEqual(["progress"]);
    expect(daemon.leases.size).toBe(1);
    expect(await sandbox.destroy()).toEqual({ destroyed: true, guarantee: "All of it" });
    await expect.poll(() => daemon.leases.size).toBe(0);
  });

  test("refuses what cannot be before the daemon hears of it", async () => {
    const options = await at();
    const create = (more: object) => Sandbox.create({ ...options, ...more });
    for (const wrong of [
      { memoryMb: 0 },
      { cpu: 1.5 },
      { diskMb: Number.NaN },
      { ttlSeconds: -1 },
      { name: "no spaces" },
      { env: { "1A": "" } },
      { memory: 512 },
      { detach: true },
      { network: "none" },
    ]) {
      await expect(create(wrong), JSON.stringify(wrong)).rejects.toBeInstanceOf(InvalidArgumentError);
    }
    expect(daemon.requests).toHaveLength(0);
  });

  test("rejects at once when its signal is aborted, and ends the connection when it aborts later", async () => {
    const reason = new Error("changed my mind");
    const options = await at({
      "POST /v1/sandboxes": (_, response) => lines(response, { event: "progress", phase: "boot" }),
    });
    await expect(Sandbox.create({ ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(daemon.requests).toHaveLength(0);
    const controller = new AbortController();
    const created = Sandbox.create({
      ...options,
      signal: controller.signal,
      onProgress: () => setTimeout(() => controller.abort(reason), 20),
    });
    await expect(created).rejects.toBe(reason);
    await expect.poll(() => daemon.connections()).toBe(0);
  });

  test("that the daemon breaks off is an error of the transport", async () => {
    const options = await at({
      "POST /v1/sandboxes": (_, response) => {
        lines(response, { event: "progress", phase: "boot" });
        response.end();
      },
    });
    await expect(Sandbox.create(options)).rejects.toMatchObject({ code: "CHANNEL_LOST", outcome: "unknown" });
  });

  test("a detached one is made again with its key when the answer is lost", async () => {
    let attempts = 0;
    const options = await at({
      "POST /v1/sandboxes": (request, response) => {
        if (++attempts === 1) return void request.socket.destroy();
        const sandbox = infoDocument({ detached: true });
        lines(response, { event: "created", sandbox, timings: { create_ms: 1, start: "pool" } });
        response.end();
      },
    });
    await Sandbox.create({ ...options, detach: true, ttlSeconds: 60 });
    const keys = requested("POST").map((request) => request.headers["idempotency-key"]);
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });

  test("in a mode this SDK does not have is refused", async () => {
    const options = await at();
    process.env["MVM_SDK_MODE"] = "plan";
    try {
      await expect(Sandbox.create(options)).rejects.toBeInstanceOf(BackendUnsupported);
    } finally {
      delete process.env["MVM_SDK_MODE"];
    }
  });
});

describe("finding", () => {
  test("connect, list and getOrCreate", async () => {
    let exists = false;
    const named = infoDocument({ name: "box" });
    const options = await at({
      "GET /v1/sandboxes": (_, response) => answer(response, 200, { sandboxes: [named] }),
      "GET /v1/sandboxes/box": (_, response) =>
        exists
          ? answer(response, 200, named)
          : answer(response, 404, { error: { code: "SANDBOX_NOT_FOUND", message: "Cannot find it: it is not there" } }),
      "POST /v1/sandboxes": (_, response) => {
        exists = true;
        answer(response, 409, { error: { code: "NAME_TAKEN", message: "Cannot create: taken" } });
      },
    });
    await expect(Sandbox.connect("box", options)).rejects.toMatchObject({ name: "SandboxUnavailable" });
    expect((await Sandbox.getOrCreate("box", options)).id).toBe(id);
    expect(await Sandbox.list({ ...options, tags: { a: "1", b: "2" }, state: "running" })).toHaveLength(1);
    expect(daemon.requests.at(-1)?.url).toBe("/v1/sandboxes?tag=a%3D1&tag=b%3D2&state=running");
  });
});

describe("disposing", () => {
  test("await using destroys and waits, once", async () => {
    const options = await at();
    {
      await using sandbox = await Sandbox.create(options);
      expect(sandbox.id).toBe(id);
    }
    expect(requested("DELETE")).toHaveLength(1);
    await expect.poll(() => daemon.leases.size).toBe(0);
  });

  test("using asks without waiting", async () => {
    const options = await at();
    {
      using sandbox = await Sandbox.create(options);
      expect(sandbox.id).toBe(id);
    }
    expect(requested("DELETE")).toHaveLength(0);
    await expect.poll(() => requested("DELETE").length).toBe(1);
    await expect.poll(() => daemon.leases.size).toBe(0);
  });

  test("leaves alone what it does not own", async () => {
    const options = await at();
    {
      await using detached = await Sandbox.create({ ...options, detach: true, ttlSeconds: 60 });
      await using connected = await Sandbox.connect(detached.id, options);
      expect(connected.id).toBe(id);
    }
    expect(requested("DELETE")).toHaveLength(0);
  });

  test("an error of the block is kept, a failure to clean up is attached to it", async () => {
    const options = await at({
      "DELETE ": (_, response) => answer(response, 500, { error: { code: "INTERNAL", message: "Cannot destroy: no" } }),
    });
    const failed = (async () => {
      await using sandbox = await Sandbox.create(options);
      throw new Error(`in ${sandbox.id}`);
    })();
    const error = (await failed.catch((thrown: unknown) => thrown)) as { error: unknown; suppressed: Error };
    expect(error.suppressed.message).toBe(`in ${id}`);
    expect(error.error).toBeInstanceOf(CleanupError);
  });

  test("destroy twice, and of what is gone, is no error", async () => {
    const gone = { error: { code: "SANDBOX_NOT_FOUND", message: "Cannot destroy: it is not there" } };
    const options = await at({ "DELETE ": (_, response) => answer(response, 404, gone) });
    const sandbox = await Sandbox.create(options);
    expect((await sandbox.destroy()).destroyed).toBe(false);
    expect((await sandbox.kill()).destroyed).toBe(false);
  });
});

describe("the process", () => {
  const module = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);

  async function run(script: string, until?: (child: ReturnType<typeof spawn>) => Promise<void>): Promise<number> {
    const began = performance.now();
    const source = `const { Sandbox } = await import(${module}); ${script}`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      env: { ...process.env, MVM_HOME: daemon.home },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const ended = new Promise((done) => child.once("close", done));
    const limit = setTimeout(() => child.kill("SIGKILL"), 10_000);
    try {
      await until?.(child);
    } finally {
      await ended;
      clearTimeout(limit);
    }
    return performance.now() - began;
  }

  test("exits by itself with an undisposed sandbox, whose lease ends with it", async () => {
    await at();
    expect(await run("await Sandbox.create();")).toBeLessThan(5000);
    await expect.poll(() => daemon.leases.size).toBe(0);
    expect(requested("DELETE")).toHaveLength(0);
  });

  test("sends the request of using before it exits", async () => {
    await at({
      "DELETE ": (_, response) => void setTimeout(() => answer(response, 200, { destroyed: true, guarantee: "" }), 100),
    });
    await run("const s = await Sandbox.create(); s[Symbol.dispose]();");
    expect(requested("DELETE")).toHaveLength(1);
  });

  test("that is killed lets go of its sandbox within a second", async () => {
    await at();
    await run("await Sandbox.create(); setInterval(() => {}, 1000);", async (child) => {
      await expect.poll(() => daemon.leases.size, { timeout: 5000 }).toBe(1);
      child.kill("SIGKILL");
      const killed = performance.now();
      await expect.poll(() => daemon.leases.size, { interval: 10 }).toBe(0);
      expect(performance.now() - killed).toBeLessThan(1000);
    });
  });

  test("a handle that is collected gives its sandbox up, with a warning", async () => {
    await at();
    await run(
      `const { setFlagsFromString } = await import("node:v8");
       const { runInNewContext } = await import("node:vm");
       setFlagsFromString("--expose-gc");
       process.removeAllListeners("warning");
       process.once("warning", (warning) => process.exit(warning.code === "MVM_SANDBOX_LEAKED" ? 0 : 9));
       setInterval(runInNewContext("gc"), 20);
       const forget = async () => { await Sandbox.create(); };
       await forget();`,
      async () => {
        await expect.poll(() => daemon.requests.length, { timeout: 5000 }).toBe(1);
        await expect.poll(() => daemon.leases.size, { timeout: 5000 }).toBe(0);
      },
    );
  });
});
