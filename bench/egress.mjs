import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { NetworkPolicy, Sandbox } from "@mvm/sdk";
import { median } from "./stats.mjs";

const mib = 1024 * 1024;
const bytes = 64 * mib;
const chunk = Buffer.alloc(64 * 1024);

/** What both sides of the comparison run: connections and a byte there and back, then bytes down, then bytes up. */
const client = `
import socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
times = []
for _ in range(30):
    begin = time.perf_counter()
    s = socket.create_connection((host, port)); s.sendall(b"e"); s.recv(1)
    times.append((time.perf_counter() - begin) * 1000); s.close()
s = socket.create_connection((host, port)); s.sendall(b"d")
begin = time.perf_counter(); got = 0; buffer = bytearray(1 << 18)
while got < ${bytes}: got += s.recv_into(buffer)
down = got / 1e6 / (time.perf_counter() - begin); s.close()
s = socket.create_connection((host, port)); s.sendall(b"u")
begin = time.perf_counter(); block = bytes(1 << 16)
for _ in range(${bytes} >> 16): s.sendall(block)
s.shutdown(socket.SHUT_WR); s.recv(1)
up = ${bytes} / 1e6 / (time.perf_counter() - begin)
print(sorted(times)[15], down, up)`;

/** Echoes a byte, pours, or swallows, as the first byte asks. */
function serve(socket) {
  socket.on("error", () => undefined);
  socket.once("data", (first) => {
    if (first[0] === 0x65) return socket.end("e");
    if (first[0] === 0x75) return socket.resume().once("end", () => socket.end("."));
    let left = bytes;
    const pour = () => {
      while (left > 0) {
        left -= chunk.length;
        if (!socket.write(chunk)) return;
      }
      socket.end();
    };
    socket.on("drain", pour);
    pour();
  });
}

/** The way out against the raw channel (files, which go over the same port) and against the same client without sandbox. */
export async function measureEgress() {
  const own = Object.values(networkInterfaces()).flat();
  const address = own.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (address === undefined) return [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, serve);
  await new Promise((resolve) => void server.listen(0, address, () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const network = NetworkPolicy.denyByDefault().allowTcp(address, port);
  const sandbox = await Sandbox.create("python", { network });
  const argv = ["python3", "-c", client, address, String(port)];
  const { execFile } = await import("node:child_process");
  const outside = () =>
    new Promise((resolve, reject) => {
      execFile(argv[0], argv.slice(1), (error, stdout) => (error ? reject(error) : resolve(stdout)));
    });
  const rounds = { inside: [], outside: [], fileIn: [], fileOut: [] };
  const content = Buffer.alloc(bytes);
  for (let round = 0; round < 3; round++) {
    rounds.inside.push(await sandbox.commands.run(argv, { timeoutSeconds: 300 }).then(({ stdout }) => numbers(stdout)));
    rounds.outside.push(numbers(await outside()));
    let begin = performance.now();
    await sandbox.files.write("/home/user/big", content);
    rounds.fileIn.push(bytes / 1e3 / (performance.now() - begin));
    begin = performance.now();
    await sandbox.files.read("/home/user/big", { format: "bytes" });
    rounds.fileOut.push(bytes / 1e3 / (performance.now() - begin));
  }
  await sandbox.destroy();
  server.close();
  const at = (which, index) => median(rounds[which].map((values) => values[index]));
  const [connect, down, up] = [0, 1, 2].map((index) => at("inside", index));
  const [fileIn, fileOut] = [median(rounds.fileIn), median(rounds.fileOut)];
  const rate = (value) => `${value.toFixed(1)} MB/s`;
  const ratio = (value, against) => `${(value / against).toFixed(2)} ×`;
  return [
    [
      "egress: connect and one byte there and back",
      `${connect.toFixed(1)} ms`,
      `without sandbox ${at("outside", 0).toFixed(2)} ms`,
      "",
      true,
    ],
    [
      "egress: 64 MiB down",
      rate(down),
      `${ratio(down, fileIn)} file in (${rate(fileIn)})`,
      "≥ 0.5 ×",
      down >= fileIn / 2,
    ],
    ["egress: 64 MiB up", rate(up), `${ratio(up, fileOut)} file out (${rate(fileOut)})`, "≥ 0.5 ×", up >= fileOut / 2],
  ];
}

function numbers(stdout) {
  return stdout.trim().split(" ").map(Number);
}
