import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { InvalidArgumentError, Sandbox } from "../../src/index.js";
import { answer } from "../support/fake-daemon.js";
import { type Answers, sandboxDaemon } from "../support/sandbox-daemon.js";

let daemon: Awaited<ReturnType<typeof sandboxDaemon>>;
let sandbox: Sandbox;
afterEach(async () => {
  await sandbox.destroy();
  await daemon.close();
});

async function at(answers: Answers, options = {}): Promise<void> {
  daemon = await sandboxDaemon(answers, options);
  sandbox = await Sandbox.create({ home: daemon.home, autoStart: false });
}

const entry = { type: "file", size: 3, mode: 0o644, uid: 1000, gid: 1000, mtime_ms: 1000 };
const MiB = 1024 * 1024;

describe("files", () => {
  test("are read as text, bytes or a stream", async () => {
    const content = Buffer.from("h€llo");
    await at({ "GET /files/content": (_, response) => void response.writeHead(200).end(content) });
    expect(await sandbox.files.read("a b")).toBe("h€llo");
    expect(daemon.requests.at(-1)?.url).toMatch(/files\/content\?path=a%20b$/);
    expect(Buffer.from(await sandbox.files.read("/x", { format: "bytes", offset: 1, length: 2 }))).toEqual(content);
    expect(daemon.requests.at(-1)?.url).toMatch(/path=%2Fx&offset=1&length=2$/);
    const parts: Uint8Array[] = [];
    for await (const part of await sandbox.files.read("/x", { format: "stream" })) parts.push(part);
    expect(Buffer.concat(parts)).toEqual(content);
  });

  test("are written from every kind of content", async () => {
    const bodies: string[] = [];
    await at({
      "PUT /files/content": (_, response, body) => {
        bodies.push(body.toString());
        answer(response, 200, { bytes: body.length });
      },
    });
    async function* generated(): AsyncGenerator<string | Uint8Array> {
      yield "a";
      yield Buffer.from("b");
    }
    const contents = ["ab", Buffer.from("ab"), new Uint8Array([97, 98]).buffer, new Blob(["ab"]), generated()];
    for (const content of [...contents, Readable.from(["a", "b"]), new Blob(["ab"]).stream()]) {
      expect(await sandbox.files.write("/f", content as string, { mode: 0o600, exclusive: true })).toEqual({
        bytes: 2,
      });
    }
    expect(bodies).toEqual(Array.from({ length: 7 }, () => "ab"));
    expect(daemon.requests.at(-1)?.url).toMatch(/\?path=%2Ff&mode=384&exclusive=true$/);
    await expect(sandbox.files.write("/f", 5 as never)).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  test("64 MiB go both ways at more than 20 MB/s in bounded memory", async () => {
    const block = Buffer.alloc(MiB, "x");
    const hash = createHash("sha256");
    await at(
      {
        "POST /v1/sandboxes": undefined as never,
        "PUT /files/content": async (request, response) => {
          let bytes = 0;
          for await (const chunk of request) {
            bytes += (chunk as Buffer).length;
            hash.update(chunk as Buffer);
          }
          answer(response, 200, { bytes });
        },
        "GET /files/content": (_, response) => {
          Readable.from(
            (function* () {
              for (let i = 0; i < 64; i++) yield block;
            })(),
          ).pipe(response);
        },
      },
      { raw: true },
    );
    let began = performance.now();
    async function* content(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 64; i++) yield block;
    }
    expect(await sandbox.files.write("/big", content())).toEqual({ bytes: 64 * MiB });
    expect((64 * MiB) / (performance.now() - began) / 1000).toBeGreaterThan(20);
    const expected = createHash("sha256");
    for (let i = 0; i < 64; i++) expected.update(block);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
    began = performance.now();
    expect((await sandbox.files.read("/big", { format: "bytes" })).length).toBe(64 * MiB);
    expect((64 * MiB) / (performance.now() - began) / 1000).toBeGreaterThan(20);
  });

  test("a stream is not read ahead of its reader", async () => {
    let sent = 0;
    await at({
      "GET /files/content": (_, response) => {
        Readable.from(
          (function* () {
            for (let i = 0; i < 64; i++) {
              sent++;
              yield Buffer.alloc(MiB);
            }
          })(),
          { highWaterMark: 1 },
        ).pipe(response);
      },
    });
    const stream = await sandbox.files.read("/big", { format: "stream" });
    const reader = stream.getReader();
    await reader.read();
    await new Promise((done) => setTimeout(done, 200));
    expect(sent).toBeLessThan(16);
    await reader.cancel();
    await expect.poll(() => daemon.connections()).toBe(1);
  });

  test("a refusal in the middle of an upload is its error", async () => {
    const document = { error: { code: "FILE_NO_SPACE", message: "Cannot write: the disk is full" } };
    await at(
      {
        "PUT /files/content": (request, response) => {
          request.once("data", () => answer(response, 507, document));
        },
      },
      { raw: true },
    );
    // Written without a pause, so that writes meet the connection at every stage of the refusal.
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        yield Buffer.alloc(100_000);
        await new Promise((done) => setImmediate(done));
      }
    }
    for (let round = 0; round < 100; round++) {
      await expect(sandbox.files.write("/f", endless())).rejects.toMatchObject({ code: "FILE_NO_SPACE" });
    }
    await expect.poll(() => daemon.connections()).toBe(1);
  });

  test("a content that throws fails the write with its own error", async () => {
    await at({}, { raw: true });
    async function* broken(): AsyncGenerator<string> {
      yield "a";
      await Promise.resolve();
      throw new Error("mine");
    }
    await expect(sandbox.files.write("/f", broken())).rejects.toThrow("mine");
  });

  test("a content that is cut short by the connection is an error", async () => {
    await at({
      "GET /files/content": (request, response) => {
        response.writeHead(200, { "content-length": 100 }).write("abc");
        setTimeout(() => request.socket.destroy(), 20);
      },
    });
    await expect(sandbox.files.read("/f")).rejects.toMatchObject({ name: "TransportError" });
  });

  test("are listed over all pages, and names that are not UTF-8 keep their bytes", async () => {
    await at({
      "GET /files/list": (request, response) =>
        request.url?.includes("cursor=")
          ? answer(response, 200, { entries: [{ ...entry, name_b64: "/2E=" }], next: null })
          : answer(response, 200, { entries: [{ ...entry, name: "a", target: "b" }], next: "1" }),
    });
    const list = await sandbox.files.list("/d");
    expect(list[0]).toEqual({
      name: "a",
      target: "b",
      type: "file",
      size: 3,
      mode: 0o644,
      uid: 1000,
      gid: 1000,
      modifiedAt: new Date(1000),
    });
    expect(list[1]).toMatchObject({ name: "\ufffda", nameBytes: Buffer.from([0xff, 0x61]) });
  });

  test("are told about, made, moved and removed", async () => {
    const missing = { error: { code: "FILE_NOT_FOUND", message: "Cannot stat: it is not there" } };
    await at({
      "GET /files/stat": (request, response) =>
        request.url?.includes("missing")
          ? answer(response, 404, missing)
          : answer(response, 200, { ...entry, name: "f" }),
      "POST /files/mkdir": (_, response) => answer(response, 200, { created: true }),
      "POST /files/rename": (_, response) => answer(response, 200, {}),
      "DELETE /files": (_, response) => answer(response, 200, { removed: 3 }),
    });
    const { files } = sandbox;
    expect(await files.stat("f")).toMatchObject({ name: "f", size: 3 });
    expect([await files.exists("f"), await files.exists("missing")]).toEqual([true, false]);
    expect(await files.mkdir("/d", { existOk: false })).toBe(true);
    expect(JSON.parse(daemon.requests.at(-1)?.body.toString() ?? "")).toEqual({ path: "/d", exist_ok: false });
    await files.rename("/a", "/b", { overwrite: false });
    expect(JSON.parse(daemon.requests.at(-1)?.body.toString() ?? "")).toEqual({
      from: "/a",
      to: "/b",
      overwrite: false,
    });
    expect(await files.remove("/d", { recursive: true })).toBe(3);
  });

  test("with paths that are refused never reach the daemon", async () => {
    await at({});
    const before = daemon.requests.length;
    for (const path of ["", "a\0", "../x", "a/../b", "x".repeat(256), "/a".repeat(2049), 5, null]) {
      await expect(sandbox.files.read(path as string)).rejects.toBeInstanceOf(InvalidArgumentError);
    }
    expect(daemon.requests).toHaveLength(before);
  });
});
