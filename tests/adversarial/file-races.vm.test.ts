import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Process, Sandbox } from "@mvm/sdk";
import { isSandboxError } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { failure, growthMb, root, text, until, useScene, verdict } from "../support/scene.js";

const scene = useScene();
const MiB = 2 ** 20;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "races", memoryMb: 256, diskMb: 512 });
});

/** Exchanges two names for ever, as fast as the guest can: RENAME_EXCHANGE never leaves a moment without either. */
const racer = (one: string, other: string): string => `
import ctypes, sys
libc = ctypes.CDLL(None)
a, b = ${JSON.stringify(one)}.encode(), ${JSON.stringify(other)}.encode()
print("racing", flush=True)
n = 0
while True:
    libc.renameat2(-100, a, -100, b, 2)
`;

async function race(one: string, other: string): Promise<Process> {
  const process = await sandbox.commands.start(["python3", "-c", racer(one, other)]);
  for await (const event of process) if (event.type === "stdout") break;
  return process;
}

/** Runs an operation many times, some at once. Counts how they ended: by what they returned, or the error's code. */
async function many(rounds: number, operation: (round: number) => Promise<string>): Promise<Record<string, number>> {
  const ends: Record<string, number> = {};
  let next = 0;
  const worker = async () => {
    for (let round = next++; round < rounds; round = next++) {
      const end = await operation(round).catch((error: unknown) => {
        if (!isSandboxError(error)) throw error;
        return error.code;
      });
      ends[end] = (ends[end] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return ends;
}

describe("F-04 a racer in the guest exchanges a directory and a link while the host works on it", () => {
  it("F-04 reads and writes never reach procfs", { timeout: 180_000 }, async () => {
    await text(sandbox, "mkdir -p race/real; echo mine > race/real/hostname; ln -s /proc/sys/kernel race/link");
    const before = await text(sandbox, "cat /proc/sys/kernel/hostname");
    const process = await race("race/real", "race/link");
    const reads = await many(1500, async () => `read ${(await sandbox.files.read("race/real/hostname")).trim()}`);
    const writes = await many(1000, async () => {
      await sandbox.files.write("race/real/hostname", "mine\n");
      return "written";
    });
    const stats = await many(500, async () => `size ${(await sandbox.files.stat("race/real/hostname")).size}`);
    await process.kill("SIGKILL");
    console.log("F-04 races:", { reads, writes, stats });
    expect(Object.keys(reads).filter((end) => end.startsWith("read "))).toEqual(["read mine"]);
    expect(Object.keys(stats).filter((end) => end.startsWith("size "))).toEqual(["size 5"]);
    expect(
      Object.keys({ ...reads, ...writes, ...stats }).filter(
        (end) => !/^(read mine|written|size 5|FILE_DENIED|FILE_NOT_FOUND)$/.test(end),
      ),
    ).toEqual([]);
    // Both happened, or the racer has not raced.
    expect(reads["FILE_DENIED"]).toBeGreaterThan(0);
    expect(reads["read mine"]).toBeGreaterThan(0);
    expect(await text(sandbox, "cat /proc/sys/kernel/hostname")).toBe(before);
  });

  it("F-04 recursive removal never leaves its tree", { timeout: 180_000 }, async () => {
    await text(
      sandbox,
      "mkdir -p victim swap/link-place; echo kept > victim/kept; ln -s ../victim swap/link; mkdir swap/real",
    );
    const process = await race("swap/real", "swap/link");
    const ends = await many(600, async (round) => {
      await sandbox.files.write(`swap/real/f${round}`, "x");
      await sandbox.files.remove(`swap/real/f${round}`).catch(() => 0);
      await sandbox.files.remove("swap/real", { recursive: true });
      await sandbox.files.mkdir("swap/real");
      return "removed";
    });
    await process.kill("SIGKILL");
    console.log("F-04 removals:", ends);
    expect(await sandbox.files.read("victim/kept")).toBe("kept\n");
  });
});

describe("F-11 many writers", () => {
  it("F-11 a hundred writers of one path: one of them wins, whole, and no temporary file stays", async () => {
    const contents = Array.from({ length: 100 }, (_, n) => String.fromCharCode(33 + n).repeat(50_000 + n));
    await sandbox.files.mkdir("writers");
    await Promise.all(contents.map((content) => sandbox.files.write("writers/one", content)));
    expect(contents).toContain(await sandbox.files.read("writers/one"));
    expect((await sandbox.files.list("writers")).map(({ name }) => name)).toEqual(["one"]);
  });

  it("F-11 readers beside writers see one whole content or another", async () => {
    const contents = ["a", "b"].map((letter) => letter.repeat(300_000));
    await sandbox.files.write("writers/read", contents[0]!);
    const writing = many(60, async (round) => {
      await sandbox.files.write("writers/read", contents[round % 2]!);
      return "written";
    });
    const reads = await many(60, async () =>
      contents.includes(await sandbox.files.read("writers/read")) ? "whole" : "torn",
    );
    expect([reads, await writing]).toEqual([{ whole: 60 }, { written: 60 }]);
  });

  it("F-11 a hundred paths at once all have their own content", async () => {
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => sandbox.files.write(`writers/many/${n}/file`, `${n}`.repeat(1000))),
    );
    const read = await Promise.all(Array.from({ length: 100 }, (_, n) => sandbox.files.read(`writers/many/${n}/file`)));
    expect(read).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`.repeat(1000)));
    await sandbox.files.remove("writers", { recursive: true });
  });
});

describe("F-10 writes that are cut off", () => {
  /** Uploads so many bytes of a longer body and then drops the connection. */
  function broken(path: string, chunks: number, length: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const headers = length === undefined ? {} : { "content-length": String(length) };
      const target = `/v1/sandboxes/races/files/content?path=${path}`;
      const call = request({
        socketPath: join(scene.home, "run", "mvmd.sock"),
        method: "PUT",
        path: target,
        headers,
        agent: false,
      });
      call.on("error", () => resolve());
      call.on("close", () => resolve());
      call.flushHeaders();
      const chunk = Buffer.alloc(65_536, "n");
      const send = (left: number): void => {
        if (left === 0) call.destroy();
        else call.write(chunk, () => send(left - 1));
      };
      send(chunks);
    });
  }

  it("F-10 the client dies at any chunk: the old content stays and nothing temporary", async () => {
    await sandbox.files.write("cut/file", "old");
    for (let chunks = 0; chunks <= 24; chunks += 2) {
      await broken("cut/file", chunks, chunks % 4 === 0 ? 4 * MiB : undefined);
      expect([chunks, await sandbox.files.read("cut/file")]).toEqual([chunks, "old"]);
    }
    await until("no temporary file is left", async () => (await sandbox.files.list("cut")).length === 1);
    await broken("cut/new", 8, 4 * MiB);
    await until("no new file is left", async () => (await sandbox.files.list("cut")).length === 1);
  });

  it("F-10 the caller's own stream fails or its signal aborts: its own error, the old content", async () => {
    const fails = Readable.from(
      (function* () {
        yield Buffer.alloc(MiB, "n");
        throw new Error("the source broke");
      })(),
    );
    await expect(sandbox.files.write("cut/file", fails)).rejects.toThrow("the source broke");
    const aborting = new AbortController();
    const endless = Readable.from(
      (function* () {
        for (let n = 0; ; n++) {
          if (n === 20) aborting.abort(new Error("changed my mind"));
          yield Buffer.alloc(65_536, "n");
        }
      })(),
    );
    await expect(sandbox.files.write("cut/file", endless, { signal: aborting.signal })).rejects.toThrow(
      "changed my mind",
    );
    expect(await sandbox.files.read("cut/file")).toBe("old");
    await until("no temporary file is left", async () => (await sandbox.files.list("cut")).length === 1);
  });

  it("F-10 an append that is cut off takes back what it added", async () => {
    await sandbox.files.write("cut/log", "line\n");
    await broken("cut/log&append=true", 8, 4 * MiB);
    await until("the appended bytes are gone", async () => (await sandbox.files.stat("cut/log")).size === 5);
    expect(await sandbox.files.read("cut/log")).toBe("line\n");
  });
});

describe("F-09 files larger than the guest's memory", () => {
  it(
    "F-09 300 MiB through a guest of 256 MiB: the same digest, and the daemon does not grow by more than 32 MiB",
    { timeout: 240_000 },
    async () => {
      const piece = randomBytes(MiB);
      const pieces = 300;
      const sent = createHash("sha256");
      const content = Readable.from(
        (function* () {
          for (let n = 0; n < pieces; n++) {
            piece.writeUInt32LE(n);
            sent.update(piece);
            yield Buffer.from(piece);
          }
        })(),
        { highWaterMark: 1 },
      );
      await sandbox.files.write("warm-up", piece);
      await sandbox.files.read("warm-up", { format: "bytes" });
      const received = createHash("sha256");
      let bytes = 0;
      const grown = await growthMb(scene.daemon(), async () => {
        expect(await sandbox.files.write("large", content)).toMatchObject({ bytes: pieces * MiB });
        for await (const chunk of await sandbox.files.read("large", { format: "stream" })) {
          received.update(chunk);
          bytes += chunk.length;
        }
      });
      const digest = sent.digest("hex");
      expect([bytes, received.digest("hex")]).toEqual([pieces * MiB, digest]);
      expect(grown).toBeLessThan(32);
      expect(await text(sandbox, "stat -c %s large")).toBe(String(pieces * MiB));
      await sandbox.files.remove("large");
    },
  );
});

describe("F-12 a disk that is full or read-only", () => {
  it(
    "F-12 ENOSPC in the middle: a typed error, the old content, no remains, and the sandbox works on",
    { timeout: 240_000 },
    async () => {
      await sandbox.files.write("full/file", "old");
      const chunk = Buffer.alloc(MiB, 7);
      const tooMuch = Readable.from(
        (function* () {
          for (let n = 0; n < 700; n++) yield chunk;
        })(),
        { highWaterMark: 1 },
      );
      const error = await failure(sandbox.files.write("full/file", tooMuch));
      expect([error.name, error.code]).toEqual(["GuestAgentError", "FILE_NO_SPACE"]);
      expect(await sandbox.files.read("full/file")).toBe("old");
      expect((await sandbox.files.list("full")).map(({ name }) => name)).toEqual(["file"]);
      expect(await sandbox.files.write("full/after", "room again")).toMatchObject({ bytes: 10 });
      expect(await text(sandbox, "cat full/after")).toBe("room again");
    },
  );

  // The image has no mount(8).
  const libc = (call: string): string => `python3 -c "import ctypes;assert ctypes.CDLL(None).${call} == 0"`;

  it("F-12 EROFS and a quota of inodes", async () => {
    await text(
      sandbox,
      `mkdir -p ro few; ${libc("mount(b'n', b'ro', b'tmpfs', 1, None)")}; ${libc("mount(b'n', b'few', b'tmpfs', 0, b'nr_inodes=4,mode=777')")}`,
      root,
    );
    expect(await verdict(sandbox.files.write("ro/x", "x"))).toBe("GuestAgentError FILE_READ_ONLY");
    expect(await verdict(sandbox.files.mkdir("ro/x"))).toBe("GuestAgentError FILE_READ_ONLY");
    const ends = [];
    for (let n = 0; n < 6; n++)
      ends.push(
        await sandbox.files.write(`few/${n}`, "x").then(
          () => "written",
          (error) => error.code as string,
        ),
      );
    expect(ends.slice(-2)).toEqual(["FILE_NO_SPACE", "FILE_NO_SPACE"]);
    expect(ends.slice(0, 2)).toEqual(["written", "written"]);
    await text(sandbox, `${libc("umount2(b'ro', 0)")}; ${libc("umount2(b'few', 0)")}`, root);
  });
});

describe("F-10 the daemon dies in the middle of a write", () => {
  it(
    "F-10 a detached sandbox that the next daemon adopts has the old content and no remains",
    { timeout: 120_000 },
    async () => {
      const kept = await scene.sandbox({ memoryMb: 256, diskMb: 512, detach: true, ttlSeconds: 600 });
      await kept.files.write("cut/file", "old");
      let sent = 0;
      const endless = Readable.from(
        (function* () {
          for (;;) {
            sent += 65_536;
            yield Buffer.alloc(65_536, "n");
          }
        })(),
        { highWaterMark: 1 },
      );
      const upload = kept.files.write("cut/file", endless).catch((error: Error) => error.name);
      await until("the upload is under way", () => sent > 4 * MiB);
      const pid = scene.daemon();
      process.kill(pid, "SIGKILL");
      expect(await upload).toMatch(/TransportError|OutcomeUnknownError|SandboxUnavailable/);
      await until("the daemon is gone", () => scene.daemon() !== pid);
      await until(
        "the next daemon has adopted it",
        async () => (await kept.status().catch(() => undefined))?.state === "running",
      );
      expect(await kept.files.read("cut/file")).toBe("old");
      await until("no temporary file is left", async () => (await kept.files.list("cut")).length === 1);
      expect(await kept.destroy()).toMatchObject({ destroyed: true });
    },
  );
});
