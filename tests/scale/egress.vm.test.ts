import { NetworkPolicy, type Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorNetwork, type Outside, serveTcp } from "../support/outside.js";
import { text, until, useScene } from "../support/scene.js";

const scene = useScene();
const held = 1_000;
let echo: Outside;
let flood: Outside;
let sandbox: Sandbox;

beforeAll(async () => {
  echo = await serveTcp((socket) => socket.pipe(socket));
  const zeros = Buffer.alloc(65_536);
  flood = await serveTcp((socket) => {
    const pour = (): void => {
      while (socket.write(zeros));
    };
    socket.on("drain", pour);
    pour();
  });
  const overrides = { "echo.test": `127.0.0.1:${echo.port}`, "flood.test": `127.0.0.1:${flood.port}` };
  operatorNetwork(scene.home, { overrides });
  const network = NetworkPolicy.denyByDefault().allowTcp("echo.test", 7).allowTcp("flood.test", 7);
  sandbox = await scene.sandbox({ network });
});
afterAll(async () => {
  await Promise.all([echo, flood].map((outside) => outside.close()));
});

describe("many connections", () => {
  it(`N-16 ${held} are held at once and each carries its own bytes, one more than the most is reset`, async () => {
    const script = `
import socket
held = []
for n in range(${held}):
    s = socket.create_connection(("echo.test", 7), timeout=60)
    s.sendall(b"%06d" % n)
    held.append(s)
own = sum(s.recv(6, socket.MSG_WAITALL) == b"%06d" % n for n, s in enumerate(held))
for s in reversed(held): s.sendall(b"again!")
again = sum(s.recv(6, socket.MSG_WAITALL) == b"again!" for s in held)
more = []
refused = 0
for n in range(100):
    try:
        s = socket.create_connection(("echo.test", 7), timeout=60); s.sendall(b"x")
        if s.recv(1) == b"x": more.append(s)
        else: refused += 1
    except OSError: refused += 1
print(own, again, len(held) + len(more), refused)`;
    const result = await sandbox.commands.run(["python3", "-c", script], { timeoutSeconds: 300 });
    expect(result).toMatchObject({ stderr: "", stdout: `${held} ${held} 1024 76\n` });
    expect(echo.connections).toBe(1024);
    await until("all of them ended with the program", () => echo.sockets.size === 0);
    expect(await text(sandbox, "echo commands go on")).toBe("commands go on");
  }, 400_000);

  it("a flood on some connections starves neither another one nor a command", async () => {
    const script = `
import socket, threading
def drink():
    s = socket.create_connection(("flood.test", 7))
    while s.recv(1 << 20): pass
for _ in range(4): threading.Thread(target=drink, daemon=True).start()
s = socket.create_connection(("echo.test", 7), timeout=60)
for n in range(20):
    s.sendall(b"ping"); assert s.recv(4, socket.MSG_WAITALL) == b"ping"
print("served", flush=True)
s.recv(1)`;
    const before = echo.sockets.size;
    const drinking = await sandbox.commands.start(["python3", "-c", script]);
    await until("the echo was served amid the flood", async () => {
      for await (const event of drinking) if (event.type === "stdout") return true;
      return false;
    });
    expect(flood.sockets.size).toBe(4);
    expect(echo.sockets.size).toBe(before + 1);
    expect(await text(sandbox, "echo and commands")).toBe("and commands");
    await drinking.kill("SIGKILL");
    await until("the flood ended", () => flood.sockets.size === 0);
  });
});
