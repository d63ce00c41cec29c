import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
beforeAll(async () => {
  made = makeHome();
  await cli(["up", "box", "--ttl", "10m"], { home: made.home });
});
afterAll(() => made.remove());

/** Status of an answer as soon as its head is there; the connection is ended then. */
function head(method: string, path: string, body?: object): Promise<{ status: number; type: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const call = request({ socketPath: join(made.home, "run", "mvmd.sock"), method, path, headers }, (answer) => {
      resolve({ status: answer.statusCode ?? 0, type: answer.headers["content-type"] ?? "" });
      call.destroy();
    });
    call.once("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The first event of a name in an NDJSON answer; the connection is ended then. */
function event(path: string, body: object, name: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const call = request(
      { socketPath: join(made.home, "run", "mvmd.sock"), method: "POST", path, headers },
      (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          text += chunk.toString();
          const lines = text.split("\n").slice(0, -1);
          const found = lines
            .map((line) => JSON.parse(line) as Record<string, unknown>)
            .find((line) => line["event"] === name);
          if (found === undefined) return;
          resolve(found);
          call.destroy();
        });
      },
    );
    call.once("error", reject);
    call.end(JSON.stringify(body));
  });
}

describe("the HTTP API", () => {
  it("says of an image which kernel, agent and templates its machines start from", async () => {
    const document = async (...argv: string[]) =>
      JSON.parse((await cli([...argv, "--json"], { home: made.home })).stdout.toString()) as Record<string, unknown>;
    const image = await document("image", "inspect", "python");
    const keys = readdirSync(join(made.home, "templates"));
    expect(image["templates"]).not.toEqual([]);
    for (const key of image["templates"] as string[]) expect(keys).toContain(key);
    expect(image["kernel"]).toMatch(/^\d+\.\d+/);
    expect(image["agent"]).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it("answers a follower of a silent command at once, so that silence is not taken for a dead daemon", async () => {
    const started = await event("/v1/sandboxes/box/processes", { argv: ["sleep", "300"], background: true }, "started");
    const path = `/v1/sandboxes/box/processes/${String(started["pid"])}/events`;
    expect(await head("GET", path)).toEqual({ status: 200, type: "application/x-ndjson" });
    expect((await head("GET", "/v1/sandboxes/box/logs?follow=true")).status).toBe(200);
    await cli(["exec", "box", "--", "kill", String(started["pid"])], { home: made.home });
  });

  it("says what it offers as OpenAPI", async () => {
    const { stdout } = await cli(["daemon", "status", "--json"], { home: made.home });
    expect(JSON.parse(stdout.toString())).toMatchObject({ running: true });
    expect(await head("GET", "/v1/openapi.json")).toMatchObject({ status: 200 });
  });

  it.each([
    ["an unknown field", { image: "python", colour: "red" }, 400],
    ["a wrong type", { memory_mb: "512" }, 400],
    ["a number out of range", { cpu: 0 }, 400],
  ])("refuses %s before anything starts", async (_what, body, status) => {
    expect((await head("POST", "/v1/sandboxes", body)).status).toBe(status);
  });

  it("answers 404 for what it does not know", async () => {
    expect((await head("GET", "/v1/sandboxes/nobody")).status).toBe(404);
    expect((await head("GET", "/v2/anything")).status).toBe(404);
  });
});

describe("profiles", () => {
  it("permissive needs the user's own word, and has it then", async () => {
    const args = ["run", "--profile", "permissive", "--env", "A=1", "--", "sh", "-c", "echo $A"];
    const refused = await cli(args, { home: made.home });
    expect(refused.code).toBe(77);
    expect(refused.stderr).toContain("PolicyDenied");
    const { code, stdout } = await cli(args, { home: made.home, env: { MVM_ACK_PERMISSIVE_RUN: "1" } });
    expect([code, stdout.toString()]).toEqual([0, "1\n"]);
  });

  it("restrictive, the default of run, allows no environment", async () => {
    const { code, stderr } = await cli(["run", "--env", "A=1", "--", "true"], { home: made.home });
    expect(code).toBe(77);
    expect(stderr).toContain("restrictive");
  });
});
