import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, logOf, startDaemon, stopped, type DaemonProcess } from "../support/daemon.js";

const seed = Number(process.env["MVM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
let home: string;
let daemon: DaemonProcess;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "mvm-p-"));
  daemon = await startDaemon(home);
});
afterAll(async () => {
  expect(logOf(home)).not.toContain("unforeseen");
  expect(logOf(home)).not.toContain("unexpected failure");
  await stopped(daemon);
  rmSync(home, { recursive: true, force: true });
});

const answers = async (): Promise<number> => {
  const began = performance.now();
  expect((await daemon.api.json("GET", "/v1/version")).body.pid).toBe(daemon.pid);
  return performance.now() - began;
};
const fds = (): number => readdirSync(`/proc/${daemon.pid}/fd`).length;
const rssMb = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) / 1024;

/** Connects; a full queue means that the daemon has not accepted yet, as any client would take it. */
async function open(): Promise<Socket> {
  for (;;) {
    const socket = connect(daemon.api.socketPath);
    const failed = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined)).on("error", resolve);
    });
    if (failed === undefined) return socket;
    if (failed.code !== "EAGAIN") throw failed;
    await sleep(20);
  }
}

/** In bunches: the queue of a socket holds a few hundred that are not accepted yet. */
async function openMany(count: number): Promise<Socket[]> {
  const all: Socket[] = [];
  while (all.length < count) all.push(...(await Promise.all(Array.from({ length: 100 }, open))));
  return all;
}

/** Sends bytes and gives back what came until the end, or until the daemon keeps silent for a moment. */
async function exchange(bytes: Uint8Array | string, patienceMs = 400): Promise<string> {
  const socket = await open();
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.write(bytes);
  await Promise.race([new Promise((resolve) => socket.once("close", resolve)), sleep(patienceMs)]);
  socket.destroy();
  return answer;
}

const whole = (head: string, body = "") =>
  `${head}\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;

it("P-16 requests that are no HTTP/1.1 are refused with an error document", async () => {
  const garbage = [
    "\0\0\0\0",
    "GET\r\n\r\n",
    "GET /v1/version HTTP/9.9\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    `GET /${"a".repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /v1/version HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(100_000)}\r\n\r\n`,
    "POST /v1/gc HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /v1/gc HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "POST /v1/gc HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "POST /v1/gc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n",
    "GET /v1/version HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
  ];
  for (const bytes of garbage) {
    const answer = await exchange(bytes, 2_000);
    expect(answer, JSON.stringify(bytes.slice(0, 60))).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toMatch(/\.js:\d+/);
  }
  await answers();
});

it("P-16 calls that do not exist, methods that do not fit, upgrades and CONNECT are refused", async () => {
  const heads = [
    ...["GET / HTTP/1.1", "GET /v1 HTTP/1.1", "GET /v2/version HTTP/1.1", "DELETE /v1/version HTTP/1.1"],
    ...["GET /v1/../../etc/passwd HTTP/1.1", "GET /v1/sandboxes/..%2f..%2fetc HTTP/1.1", "TRACE /v1/version HTTP/1.1"],
    ...["GET http://evil/v1/version HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT evil:443 HTTP/1.1"],
    ...["GET /v1/version%00 HTTP/1.1", "GET /v1/%ff%fe HTTP/1.1", "PROPFIND /v1/version HTTP/1.1"],
  ];
  for (const head of heads) {
    const answer = await exchange(whole(head), 1_000);
    if (!head.startsWith("CONNECT") && !head.startsWith("GET http:"))
      expect(answer, head).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer, head).not.toMatch(/root:x:0/);
  }
  const upgrade = "GET /v1/version HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
  expect(await exchange(upgrade)).not.toMatch(/^HTTP\/1\.1 101/);
  await answers();
});

it("P-05 bodies that are no JSON object, too deep, too large, or speak to the prototype are InvalidArgument", async () => {
  const deep = "[".repeat(50_000) + "]".repeat(50_000);
  const bodies = [
    ...["", "null", "[]", "1", '"x"', "{", "nul", "\ufeff{}", "{}{}", "{'a':1}", deep, `{"tags":${deep}}`],
    ...[
      '{"__proto__":{"detach":true}}',
      '{"constructor":{"prototype":{"x":1}}}',
      '{"cpu":1,"cpu":"x"}',
      '{"cpu":1e400}',
    ],
    ...['{"name":"\\ud800"}', '{"nosuch":1}', `{"image":"${"a".repeat(1_000_000)}"}`, '{"env":{"A\\u0000":"b"}}'],
  ];
  for (const body of bodies) {
    const { status, body: document } = await daemon.api.json("POST", "/v1/sandboxes", body);
    expect([400, 422], `${body.slice(0, 60)}: ${status}`).toContain(status);
    expect(document.error.code, body.slice(0, 60)).toMatch(
      /^(INVALID_ARGUMENT|REQUEST_TOO_LARGE|ENV_INVALID|PROTOCOL_VIOLATION)$/,
    );
  }
  const { status } = await daemon.api
    .json("POST", "/v1/sandboxes", `{"image":"${"a".repeat(9 * 1024 * 1024)}"}`)
    .catch(() => ({ status: 413 }));
  expect(status).toBe(413);
  await answers();
});

it(
  `P-01 P-16 random and mutated requests never end or confuse the daemon, seed=${seed}`,
  { timeout: 120_000 },
  async () => {
    const good = Buffer.from(
      'POST /v1/sandboxes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 46\r\n\r\n{"image":"nosuchimage","cpu":0,"memory_mb":128}',
    );
    const mutated = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const copy = Buffer.from(good);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      });
    const cut = fc.nat(good.length).map((length) => good.subarray(0, length));
    const any = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
    const started = fds();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(mutated, cut, any), { minLength: 20, maxLength: 20 }), async (batch) => {
        const replies = await Promise.all(batch.map((bytes) => exchange(bytes, 60)));
        for (const reply of replies) expect(reply).toMatch(/^(HTTP\/1\.1 [24]\d\d |$)/);
      }),
      { seed, numRuns: 60 },
    );
    console.log(`1200 requests, seed=${seed}`);
    await answers();
    await eventually("its descriptors are back", () => fds() <= started + 3);
  },
);

it(
  "S-07 a thousand idle, half-open and slow clients: the daemon goes on answering, and they are let go",
  { timeout: 120_000 },
  async () => {
    const [fdsBefore, rssBefore] = [fds(), rssMb()];
    const clients = await openMany(1_000);
    clients.forEach((socket, at) => {
      socket.on("data", () => undefined);
      // Of three: one silent, one half-way through its head, one half-way through its body.
      if (at % 3 === 1) socket.write("GET /v1/version HTTP/1.1\r\nhost: x\r\nx-slow: ");
      if (at % 3 === 2)
        socket.write(
          "POST /v1/gc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
        );
    });
    const drip = setInterval(
      () => clients.forEach((socket, at) => at % 3 === 1 && socket.writable && socket.write("a")),
      500,
    );
    const times: number[] = [];
    for (let times10 = 0; times10 < 10; times10++) {
      times.push(await answers());
      await sleep(50);
    }
    console.log(
      `answers beside 1000 bad clients: ${times.map(Math.round).join(" ")} ms; rss +${Math.round(rssMb() - rssBefore)} MiB`,
    );
    // Beyond the cap the oldest idle ones go, and newcomers are served.
    const more = await openMany(200);
    await answers();
    clearInterval(drip);
    for (const socket of [...clients, ...more]) socket.destroy();
    await eventually("their descriptors are free", () => fds() <= fdsBefore + 3);
  },
);

it("S-07 a head that never ends and a client that never reads are cut off", { timeout: 60_000 }, async () => {
  const slow = await open();
  slow.on("data", () => undefined);
  slow.write("GET /v1/version HTTP/1.1\r\nhost: x\r\n");
  const closed = new Promise((resolve) => slow.once("close", resolve));
  const drip = setInterval(() => slow.writable && slow.write("a"), 1_000);
  // A client that asks a thousand times and takes no answer.
  const deaf = await open();
  deaf.pause();
  deaf.write("GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000));
  const before = rssMb();
  await closed;
  clearInterval(drip);
  await answers();
  console.log(`rss +${Math.round(rssMb() - before)} MiB while a client does not read`);
  expect(rssMb() - before).toBeLessThan(200);
  deaf.destroy();
});

it("M-01 numbers that are none, too small, too large or of another type are refused before anything is made", async () => {
  const fields = ["cpu", "memory_mb", "disk_mb", "ttl_seconds"];
  const values = ["0", "-1", "1.5", '"5"', "null", "true", "[]", "{}", "1e999", "9007199254740993", "-0.0", "1e-9"];
  for (const field of fields) {
    for (const value of values) {
      const { status, body } = await daemon.api.json(
        "POST",
        "/v1/sandboxes",
        `{"image":"nosuchimage","${field}":${value}}`,
      );
      // No time to live is a wish of its own.
      if (field === "ttl_seconds" && value === "null") continue;
      expect(status, `${field}=${value}: ${JSON.stringify(body)}`).toBeOneOf([400, 403]);
      expect(body.error.code, `${field}=${value}`).toMatch(/^(INVALID_ARGUMENT|POLICY_LIMIT)$/);
    }
  }
  for (const value of ["0", "-1", "1.5", '"5"', "2147483648", "1e999"]) {
    const command = `{"sandbox":{"image":"nosuchimage"},"command":{"argv":["true"],"timeout_ms":${value}}}`;
    const { status, body } = await daemon.api.json("POST", "/v1/runs", command);
    expect([status, body.error?.code], `timeout_ms=${value}`).toEqual([400, "INVALID_ARGUMENT"]);
  }
  expect(readdirSync(join(home, "sandboxes"))).toEqual([]);
});

it("M-02 what is above the host's ceiling is PolicyDenied with both numbers", async () => {
  for (const [field, asked] of Object.entries({ memory_mb: 1_048_576, disk_mb: 16_777_216, cpu: 16 })) {
    const { status, body } = await daemon.api.json("POST", "/v1/sandboxes", { [field]: asked });
    if (body.error?.code !== "POLICY_LIMIT") throw new Error(`${field}: ${status} ${JSON.stringify(body)}`);
    expect(body.error.message).toContain(String(asked));
    expect(body.error.rule ?? body.error.context?.rule).toBe(`limit.${field}`);
    expect(body.error.context.ceiling).toBeLessThan(asked);
  }
});
