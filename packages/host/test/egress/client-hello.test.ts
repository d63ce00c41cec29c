import { connect } from "node:net";
import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { readClientHello } from "../../src/egress/client-hello.js";

/** What Node's TLS really sends for a server name. */
async function realHello(servername: string | undefined): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect(server.address() as { port: number });
  const hello = new Promise<Buffer>((resolve) =>
    server.once("connection", (peer) => {
      peer.once("data", (data) => {
        peer.destroy();
        resolve(data);
      });
      peer.on("error", () => undefined);
    }),
  );
  const tls = connectTls({ socket, ...(servername !== undefined && { servername }), rejectUnauthorized: false });
  tls.on("error", () => undefined);
  try {
    return await hello;
  } finally {
    tls.destroy();
    server.close();
  }
}

/** A hello of the fewest fields, with the extensions given as type and body. */
function made(extensions: readonly (readonly [number, Buffer])[]): Buffer {
  const vector = (size: 1 | 2, body: Buffer): Buffer => {
    const length = Buffer.alloc(size);
    length.writeUIntBE(body.length, 0, size);
    return Buffer.concat([length, body]);
  };
  const fields = extensions.map(([type, body]) =>
    Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, body)]),
  );
  const body = Buffer.concat([
    ...[Buffer.from([3, 3]), Buffer.alloc(32), vector(1, Buffer.alloc(0)), vector(2, Buffer.from([0x13, 1]))],
    ...[vector(1, Buffer.from([0])), vector(2, Buffer.concat(fields))],
  ]);
  return Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body]);
}

function record(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([22, 3, 1, message.length >> 8, message.length & 255]), message]);
}

function name(text: string, type = 0): readonly [number, Buffer] {
  const bytes = Buffer.from(text);
  const entry = Buffer.concat([Buffer.from([type, 0, bytes.length]), bytes]);
  return [0, Buffer.concat([Buffer.from([0, entry.length]), entry])];
}

test("reads the server name that a real client sends, from every cut of its bytes", async () => {
  const hello = await realHello("api.example.com");
  expect(readClientHello(hello)).toEqual({ serverName: "api.example.com", encrypted: false });
  for (let end = 0; end < hello.length; end++) {
    const part = readClientHello(hello.subarray(0, end));
    expect(part, `${end} bytes`).toHaveProperty("needs");
    expect((part as { needs: number }).needs).toBeGreaterThan(end);
  }
  expect(readClientHello(await realHello(undefined))).toEqual({ serverName: undefined, encrypted: false });
});

test("joins a hello that is spread over records, as long as they are few", () => {
  const message = made([name("a.test")]);
  const split = (size: number): Buffer =>
    Buffer.concat(
      Array.from({ length: Math.ceil(message.length / size) }, (_part, at) =>
        record(message.subarray(at * size, (at + 1) * size)),
      ),
    );
  for (const size of [10, 20, message.length]) {
    expect(readClientHello(split(size))).toMatchObject({ serverName: "a.test" });
  }
  expect(readClientHello(split(1))).toBe("not_tls");
});

test.each([
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\n")],
  ["SSH", Buffer.from("SSH-2.0-x\r\n")],
  ["SSL 2", Buffer.from([0x80, 0x2e, 1, 0, 2])],
  ["an alert", Buffer.from([21, 3, 1, 0, 2, 1, 0])],
  ["another handshake message", record(Buffer.from([2, 0, 0, 1, 0]))],
  ["an empty record", Buffer.from([22, 3, 1, 0, 0])],
  ["a record that is too long", Buffer.from([22, 3, 1, 0x41, 0])],
  ["a second message in the record", record(Buffer.concat([made([name("a.test")]), Buffer.from([1])]))],
  ["a message of 16 MB", record(Buffer.from([1, 255, 255, 255, 0]))],
  ["two names", record(made([name("a.test"), name("b.test")]))],
  ["a name of another type", record(made([name("a.test", 1)]))],
  ["an extension that is cut off", record(made([[0, Buffer.from([0, 9, 0, 0, 6])]]))],
])("%s is not a hello", (_what, bytes) => {
  expect(readClientHello(bytes)).toBe("not_tls");
});

test.each([0xfe0d, 0xfe0a, 0xfe08, 0xffce])("N-11 an encrypted hello is seen by its extension %i", (type) => {
  const hello = readClientHello(record(made([name("a.test"), [type, Buffer.from([0, 0, 1])]])));
  expect(hello).toEqual({ serverName: "a.test", encrypted: true });
});

test("every changed byte of a hello is read or refused, never thrown at", async () => {
  const hello = await realHello("api.example.com");
  for (let at = 0; at < hello.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const changed = Buffer.from(hello);
      changed[at]! ^= flip;
      expect(() => readClientHello(changed)).not.toThrow();
    }
  }
});
