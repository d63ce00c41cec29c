import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import fc from "fast-check";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Redactor } from "../../src/logs/redact.js";
import { Authority } from "../../src/secrets/authority.js";
import { SandboxSecrets } from "../../src/secrets/sandbox-secrets.js";
import { SecretStore } from "../../src/secrets/secret-store.js";
import { makeAuthority, type Authority as Outsider } from "../../../../tests/support/outside.js";
import { temporaryHome } from "../fixture/daemon.js";
import { type Program, scene, settles } from "./gateway-guest.js";

const value = "sk-live-Kanarienvogel/42+7=";
const host = "api.test";
let outsider: Outsider;
let stranger: Outsider;
beforeAll(() => {
  outsider = makeAuthority([host, "other.test"]);
  stranger = makeAuthority(["evil.test"]);
});

type Listener = (request: IncomingMessage, response: ServerResponse) => void;
interface Options {
  readonly listener?: Listener;
  readonly onUpgrade?: (request: IncomingMessage, socket: Socket) => void;
  readonly certificate?: Outsider;
  readonly header?: string;
  readonly mayUse?: () => Promise<void>;
}

/** A real store, a real server, and a program of the guest that speaks TLS through the channel. */
async function stage({ listener, onUpgrade, certificate = outsider, header, mayUse }: Options = {}) {
  const heads: { method: string; url: string; headers: string[]; body: string; trailers: string[] }[] = [];
  const server = createServer({ key: certificate.key, cert: certificate.cert }, async (request, response) => {
    const head = {
      method: request.method!,
      url: request.url!,
      headers: request.rawHeaders,
      body: "",
      trailers: [] as string[],
    };
    heads.push(head);
    if (listener !== undefined) return listener(request, response);
    for await (const chunk of request) head.body += String(chunk);
    head.trailers = request.rawTrailers;
    response.end("ok");
  });
  let connections = 0;
  server.on("secureConnection", (socket: Socket) => {
    connections++;
    socket.on("error", () => undefined);
  });
  if (onUpgrade) server.on("upgrade", onUpgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const directory = temporaryHome();
  const store = new SecretStore(`${directory}/secrets`, `${directory}/keys/secrets.json`);
  store.put("key", { value, hosts: [host] });
  const redactor = new Redactor();
  redactor.protect([value]);
  const authority = Authority.make([host]);
  const granted = [{ env: "KEY", name: "key", hosts: [host], header: header ?? null }];
  const secrets = new SandboxSecrets(granted, {}, authority, store, redactor);
  const port = (server.address() as AddressInfo).port;
  const allow = [host, "other.test"].map((name) => ({ host: name, port: 443, protocol: "https" as const }));
  const made = await scene(
    { default: "deny", allow },
    {
      overrides: { [host]: `127.0.0.1:${port}`, "other.test": `127.0.0.1:${port}` },
      authorities: [outsider.ca],
    },
    secrets,
    mayUse,
  );
  const program = async (name = host, ca = authority.certificate, ALPNProtocols = ["http/1.1"]) => {
    const carried = made.knock(name, 443);
    const tls = connect({ socket: throughGuest(carried), servername: name, ca, ALPNProtocols });
    tls.on("error", () => undefined);
    await once(tls, "secureConnect");
    return { carried, tls };
  };
  return {
    ...{ heads, store, secrets, authority, program, placeholder: secrets.known["KEY"]!, decisions: made.decisions },
    connections: () => connections,
    knock: made.knock,
  };
}

function throughGuest(program: Program): Duplex {
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      program.send(chunk);
      done();
    },
    final: (done) => {
      program.end();
      done();
    },
  });
  duplex.on("error", () => undefined);
  program.onData = (data) => void duplex.push(data);
  program.onEnd = () => (program.ended === "reset" ? duplex.destroy(new Error("reset")) : void duplex.push(null));
  return duplex;
}

/** Everything that comes until the other side ends the connection. */
async function answerTo(tls: TLSSocket, ...pieces: (string | Buffer)[]): Promise<string> {
  const chunks: Buffer[] = [];
  tls.on("data", (chunk: Buffer) => chunks.push(chunk));
  for (const piece of pieces) {
    tls.write(piece);
    await new Promise(setImmediate);
  }
  await Promise.race([once(tls, "end"), once(tls, "close")]).catch(() => undefined);
  return Buffer.concat(chunks).toString("latin1");
}

const get = (lines: readonly string[], more = "Connection: close") =>
  `GET /x HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join("")}${more}\r\n\r\n`;
const cuts = (decisions: readonly { decision: string }[]) =>
  decisions.flatMap((one) => ("cut" in one ? [one.cut] : "reason" in one ? [one.reason] : []));

test("the value stands in headers alone: plain, Bearer, Basic; order and spelling of all others stay", async () => {
  const { heads, program, placeholder, decisions } = await stage();
  const { tls } = await program();
  const basic = `Basic ${Buffer.from(`user:${placeholder}`).toString("base64")}`;
  const body = `in the body ${placeholder}`;
  const request = [
    `POST /${placeholder}?q=${placeholder} HTTP/1.1`,
    ...[`X-One: ${placeholder}`, "hOsT: api.test", `Authorization: Bearer ${placeholder}`, "X-Two: a", "x-two: b"],
    ...[`Proxy-Authorization: ${basic}`, `Content-Length: ${body.length}`, "Connection: close", "", body],
  ].join("\r\n");
  expect(await answerTo(tls, request)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/);
  expect(heads).toHaveLength(1);
  expect(heads[0]!.url).toBe(`/${placeholder}?q=${placeholder}`);
  expect(heads[0]!.body).toBe(body);
  expect(heads[0]!.headers).toEqual([
    ...["X-One", value, "hOsT", "api.test", "Authorization", `Bearer ${value}`, "X-Two", "a", "x-two", "b"],
    ...["Proxy-Authorization", `Basic ${Buffer.from(`user:${value}`).toString("base64")}`],
    ...["Content-Length", String(body.length), "Connection", "close"],
  ]);
  expect(decisions.filter(({ decision }) => decision === "secret")).toEqual([
    { decision: "secret", host, port: 443, secret: "key", sent: true },
  ]);
  expect(JSON.stringify(decisions)).not.toContain(value);
});

test("K-08 a request cut anywhere arrives the same", async () => {
  const { heads, program, placeholder } = await stage();
  const seed = Date.now() & 0x7fffffff;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 400 }), { maxLength: 12 }), fc.boolean(), async (at, chunked) => {
      heads.length = 0;
      const { tls } = await program();
      const framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: 4";
      const body = chunked ? "3\r\nabc\r\n1\r\nd\r\n0\r\nX-After: t\r\n\r\n" : "abcd";
      const lines = [
        `POST / HTTP/1.1`,
        `Host: ${host}`,
        `A: x${placeholder}y`,
        `B: ${placeholder}${placeholder}`,
        framing,
      ];
      const whole = `${lines.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`;
      const borders = [...new Set([0, ...at.map((one) => one % whole.length), whole.length])].sort((a, b) => a - b);
      const pieces = borders.slice(1).map((end, index) => whole.slice(borders[index], end));
      expect(await answerTo(tls, ...pieces)).toMatch(/^HTTP\/1\.1 200 /);
      expect(heads.map(({ body: got }) => got)).toEqual(["abcd"]);
      expect(heads[0]!.headers.slice(0, 6)).toEqual(["Host", host, "A", `x${value}y`, "B", `${value}${value}`]);
      expect(heads[0]!.trailers).toEqual(chunked ? ["X-After", "t"] : []);
    }),
    { seed, numRuns: 25 },
  );
  console.log(`requests cut anywhere: seed=${seed}`);
});

describe("K-05 K-08 what could be read in two ways, or is for somebody else, is refused, and no server hears of it", () => {
  test.for([
    ["other_host", "GET / HTTP/1.1\r\nHost: evil.test\r\nA: P\r\n\r\n"],
    ["other_host", "GET / HTTP/1.1\r\nHost: api.test:8443\r\nA: P\r\n\r\n"],
    ["other_host", "GET / HTTP/1.1\r\nHost: api.test\r\nHost: evil.test\r\nA: P\r\n\r\n"],
    ["other_host", "GET https://evil.test/ HTTP/1.1\r\nHost: api.test\r\nA: P\r\n\r\n"],
    ["other_host", "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\nA: P\r\n\r\n"],
    ["other_host", "GET / HTTP/1.1\r\nHost: api.test@evil.test\r\nA: P\r\n\r\n"],
    ["other_host", "GET / HTTP/1.0\r\nA: P\r\n\r\n"],
    ["not_http", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\nA: P\r\n\r\n"],
    [
      "not_http",
      "POST / HTTP/1.1\r\nHost: api.test\r\nA: P\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["not_http", "POST / HTTP/1.1\r\nHost: api.test\r\nA: P\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    ["not_http", "GET / HTTP/1.1\nHost: api.test\nA: P\n\n"],
    ["not_http", "GET / HTTP/1.1\r\nHost: api.test\r\nA: P\r\n folded\r\n\r\n"],
    ["not_http", "GET / HTTP/1.1\r\nHost: api.test\r\nA : P\r\n\r\n"],
    ["not_http", "GET / HTTP/1.1\r\nHost: api.test\r\nA: P\rB: c\r\n\r\n"],
    ["not_http", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["not_http", "\x16\x03\x01\x00\x05hello"],
    ["not_http", "GET / HTTP/1.1\r\nHost: api.test\r\nA: LONG\r\n\r\n"],
  ] as const)("%s %j", async ([reason, text]) => {
    const { heads, program, placeholder, decisions } = await stage();
    const { tls, carried } = await program();
    expect(
      await answerTo(
        tls,
        text
          .replace("LONG", "x".repeat(70_000))
          .replaceAll("P", (letter, at: number) => (text[at - 1] === " " ? placeholder : letter)),
      ),
    ).toBe("");
    await settles(() => carried.ended, "reset");
    expect(heads).toEqual([]);
    expect(cuts(decisions)).toEqual([reason]);
  });
});

test("K-04 a host without a binding gets its bytes unread: the guest speaks with the real server", async () => {
  const { heads, program, placeholder } = await stage();
  const { tls } = await program("other.test", outsider.ca);
  await answerTo(tls, get([`A: ${placeholder}`]).replace(host, "other.test"));
  expect(heads[0]!.headers).toContain(placeholder);
  expect(JSON.stringify(heads)).not.toContain(value);
});

test("K-04 a placeholder in another header than the one it is bound to stays one, which is told", async () => {
  const { heads, program, placeholder, decisions } = await stage({ header: "Authorization" });
  const { tls } = await program();
  await answerTo(tls, get([`X-Key: ${placeholder}`, `Authorization: ${placeholder}`]));
  expect(heads[0]!.headers.slice(2, 6)).toEqual(["X-Key", placeholder, "Authorization", value]);
  expect(decisions.filter(({ decision }) => decision === "secret")).toMatchObject([{ sent: true }, { sent: false }]);
});

test("N-17 a server that does not prove to be the host is refused before the guest has said anything", async () => {
  const { program, decisions, heads } = await stage({ certificate: stranger });
  await expect(program()).rejects.toThrow();
  await settles(() => cuts(decisions), ["not_verified"]);
  expect(heads).toEqual([]);
});

test("N-20 no variable of the environment turns verification off", async () => {
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  onTestFinished(() => void delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]);
  const { program, decisions } = await stage({ certificate: stranger });
  await expect(program()).rejects.toThrow();
  await settles(() => cuts(decisions), ["not_verified"]);
});

test("K-08 a program that speaks HTTP/2 alone is cut, and the log says why", async () => {
  const { program, decisions } = await stage();
  await expect(program(host, undefined, ["h2"])).rejects.toThrow();
  await settles(() => cuts(decisions), ["guest_tls"]);
});

test("K-07 what the server echoes is masked: in headers, bodies, across chunks, in the listed encodings; lengths stay true", async () => {
  const base64 = Buffer.from(`user:${value}`).toString("base64");
  const echoed = [value, encodeURIComponent(value), base64, "and the rest"].join(" | ");
  const { program, placeholder } = await stage({
    listener: (request, response) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      response.setHeader("X-Echo", request.headers["x-key"]!);
      response.setHeader("Content-Length", echoed.length);
      const pieces = echoed.match(/[^]{1,5}/g)!;
      const next = (): void => {
        const piece = pieces.shift();
        if (piece === undefined) return void response.end();
        response.write(piece, () => setImmediate(next));
      };
      next();
    },
  });
  const { tls } = await program();
  const answer = await answerTo(tls, get([`X-Key: ${placeholder}`, "Accept-Encoding: gzip, br"]));
  const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  expect(body).toHaveLength(echoed.length);
  expect(body).toMatch(/^\*+ \| \*+ \| [A-Za-z0-9+/=]{0,10}\*+[A-Za-z0-9+/=]{0,6} \| and the rest$/);
  expect(answer).toMatch(/X-Echo: \*+\r\n/);
  expect(answer).not.toContain(value);
});

test("events stream: each arrives before the next is sent, and the connection serves another request", async () => {
  let send: (text: string) => void = () => undefined;
  const { program, heads, connections } = await stage({
    listener: (request, response) => {
      if (request.url !== "/events") return void response.end("second");
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.flushHeaders();
      send = (text) => (text === "" ? response.end() : response.write(text));
    },
  });
  const { tls } = await program();
  let got = "";
  tls.on("data", (chunk: Buffer) => (got += chunk.toString()));
  tls.write(get([], "X: y").replace("/x", "/events"));
  await settles(() => got.includes("text/event-stream"), true);
  for (const event of ["data: one\n\n", "data: two\n\n"]) {
    send(event);
    await settles(() => got.includes(event), true);
  }
  send("");
  await settles(() => got.endsWith("0\r\n\r\n"), true);
  tls.write(get([]));
  await settles(() => got.includes("second"), true);
  expect(heads).toHaveLength(2);
  expect(connections()).toBe(1);
});

test("a websocket's upgrade carries the value; what follows passes both ways", async () => {
  let asked: IncomingMessage | undefined;
  const { program, placeholder } = await stage({
    onUpgrade: (request, socket) => {
      asked = request;
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
      socket.on("data", (data: Buffer) => void socket.write(`echo ${data.toString()} ${value}`));
    },
  });
  const { tls } = await program();
  let got = "";
  tls.on("data", (chunk: Buffer) => (got += chunk.toString()));
  tls.write(get([`Authorization: Bearer ${placeholder}`, "Upgrade: websocket"], "Connection: Upgrade"));
  await settles(() => got.endsWith("\r\n\r\nhello"), true);
  expect(asked?.headers.authorization).toBe(`Bearer ${value}`);
  tls.write("frame");
  await settles(() => got.includes("echo frame "), true);
  tls.end();
  await settles(() => /echo frame \*+$/.test(got), true);
  expect(got).not.toContain(value);
});

test("K-15 the next request uses what is stored then; of a removed secret there is none, and the connection is cut", async () => {
  const { program, placeholder, store, heads, decisions } = await stage();
  const { tls, carried } = await program();
  let got = "";
  tls.on("data", (chunk: Buffer) => (got += chunk.toString()));
  const ask = (): void => void tls.write(get([`A: ${placeholder}`], "X: y"));
  ask();
  await settles(() => heads.length, 1);
  await settles(() => got.endsWith("ok\r\n0\r\n\r\n") || got.endsWith("ok"), true);
  store.put("key", { value: "another-value", hosts: [host] });
  ask();
  await settles(() => heads.map(({ headers }) => headers[3]), [value, "another-value"]);
  store.put("key", { value: "another-value", hosts: ["elsewhere.test"] });
  ask();
  await settles(() => carried.ended, "reset");
  expect(heads).toHaveLength(2);
  expect(cuts(decisions)).toEqual(["secret_unavailable"]);
});

test("nothing goes out before the use of a secret is recorded, and then in the order it came in", async () => {
  let recorded: (() => void) | undefined;
  const mayUse = () => new Promise<void>((resolve) => (recorded = resolve));
  const { heads, program, placeholder, decisions } = await stage({ mayUse });
  const { tls } = await program();
  const first = get([`Authorization: Bearer ${placeholder}`], "X-Nth: first");
  const all = answerTo(tls, first + get([], "Connection: close"));
  await settles(() => recorded !== undefined, true);
  expect(heads).toEqual([]);
  expect(decisions.some(({ decision }) => decision === "secret")).toBe(false);
  recorded!();
  await all;
  expect(heads.map(({ headers }) => headers.includes(`Bearer ${value}`))).toEqual([true, false]);
});

test("a secret whose use cannot be recorded is not sent, and the connection ends for that reason", async () => {
  const { heads, program, placeholder, decisions } = await stage({ mayUse: () => Promise.reject(new Error("full")) });
  const { carried, tls } = await program();
  await answerTo(tls, get([`Authorization: Bearer ${placeholder}`]));
  await settles(() => carried.ended, "reset");
  expect(heads).toEqual([]);
  await settles(() => cuts(decisions), ["audit_unavailable"]);
});

test("a secret that was removed while its use was recorded is not sent", async () => {
  let remove = (): void => undefined;
  const made = await stage({ mayUse: async () => remove() });
  remove = () => void made.store.remove("key");
  const { tls } = await made.program();
  await answerTo(tls, get([`Authorization: Bearer ${made.placeholder}`]));
  expect(made.heads).toEqual([]);
  await settles(() => cuts(made.decisions), ["secret_unavailable"]);
});
