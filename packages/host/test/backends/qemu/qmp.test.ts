import { connect, createServer, type Server, type Socket } from "node:net";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { QmpClient, QmpCommandError, QmpConnectionError } from "../../../src/backends/qemu/qmp.js";

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A monitor whose answers the test writes. */
async function monitor(answer: (command: { execute: string; id: number }, socket: Socket) => void): Promise<QmpClient> {
  const path = join(mkdtempSync(join(tmpdir(), "qmp-")), "s");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write('{"QMP":{"version":{},"capabilities":[]}}\r\n');
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const command = JSON.parse(text.slice(0, end)) as { execute: string; id: number };
        text = text.slice(end + 1);
        if (command.execute === "qmp_capabilities") socket.write(`{"return":{},"id":${command.id}}\r\n`);
        else answer(command, socket);
      }
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return QmpClient.open(connect(path), 500);
}

describe("QmpClient", () => {
  it("matches answers to commands by id, in whatever order they come", async () => {
    const waiting: (() => void)[] = [];
    const client = await monitor(({ execute, id }, socket) => {
      waiting.push(() => socket.write(`{"return":"${execute}","id":${id}}\n`));
      if (waiting.length === 2) waiting.reverse().forEach((send) => send());
    });
    expect(await Promise.all([client.execute("one"), client.execute("two")])).toEqual(["one", "two"]);
    client.close();
  });

  it("reads answers however the stream is cut", async () => {
    const client = await monitor(({ id }, socket) => {
      const bytes = Buffer.from(`{"event":"STOP"}\n{"return":{"a":"ü"},"id":${id}}\n`);
      void (async () => {
        for (const byte of bytes) await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
      })();
    });
    const events: string[] = [];
    client.onEvent(({ event }) => events.push(event));
    expect(await client.execute("x")).toEqual({ a: "ü" });
    expect(events).toEqual(["STOP"]);
    client.close();
  });

  it("rejects with QEMU's own class and words", async () => {
    const client = await monitor(({ id }, socket) =>
      socket.write(`{"error":{"class":"CommandNotFound","desc":"no such thing"},"id":${id}}\n`),
    );
    await expect(client.execute("x")).rejects.toThrowError(QmpCommandError);
    client.close();
  });

  it("gives up on a command without an answer, and ignores the answer that comes too late", async () => {
    const client = await monitor(
      ({ execute, id }, socket) =>
        void setTimeout(() => socket.write(`{"return":"${execute}","id":${id}}\n`), execute === "slow" ? 200 : 0),
    );
    await expect(client.execute("slow", undefined, 50)).rejects.toThrowError(/no answer within 50 ms/);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(await client.execute("next")).toBe("next");
    client.close();
  });

  it.each([
    ["garbage", "this is not JSON\n"],
    ["a number", "42\n"],
    ["an endless line", "x".repeat(5 * 1024 * 1024)],
  ])("survives %s and rejects what is pending", async (_name, bytes) => {
    const client = await monitor((_command, socket) => void socket.write(bytes));
    await expect(client.execute("x")).rejects.toThrowError(QmpConnectionError);
    await expect(client.execute("y")).rejects.toThrowError(QmpConnectionError);
  });

  it("survives a monitor that dies while it is written to", async () => {
    const client = await monitor((_command, socket) => socket.destroy());
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => client.execute("x")));
    expect(answers.every(({ status }) => status === "rejected")).toBe(true);
  });

  it("ignores answers nobody asked for", async () => {
    const client = await monitor(({ id }, socket) =>
      socket.write(`{"return":1,"id":999}\n{"return":1}\n{"return":2,"id":${id}}\n`),
    );
    expect(await client.execute("x")).toBe(2);
    client.close();
  });
});
