/**
 * A machine on a template that mvm made, without daemon, cage or checks: nothing that restores the same template can be
 * faster. Reads and writes exactly what the channel document says and nothing more.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The recorded lines have empty file names; here they get their files. */
function commandLine({ template, image, boot }) {
  const { inputs } = JSON.parse(readFileSync(join(template, "template.json"), "utf8"));
  const line = (boot === undefined ? inputs.restoreLine : inputs.bootLine).slice(1);
  const files = {
    "image-file": image,
    "base-file": join(template, "disk.raw"),
    "disk-file": "disk.qcow2",
  };
  return line.map((word, at) => {
    if (word.startsWith("memory-backend-file")) {
      return word.replace("mem-path=", `mem-path=${boot === undefined ? join(template, "ram") : "ram"}`);
    }
    const node = /node-name=([a-z-]+),filename=/.exec(word)?.[1];
    if (node !== undefined) return word.replace("filename=", `filename=${files[node]}`);
    if (line[at - 1] === "-kernel") return join(boot.directory, "vmlinuz");
    if (line[at - 1] === "-initrd") return join(boot.directory, "initramfs");
    if (line[at - 1] === "-append") return `${word} tsc=reliable tsc_early_khz=${boot.tscKhz}`;
    return word;
  });
}

function frame(type, stream, payload = Buffer.alloc(0)) {
  const header = Buffer.alloc(12);
  header[0] = 0x4d;
  header[1] = type;
  header.writeUInt32LE(stream, 4);
  header.writeUInt32LE(payload.length, 8);
  return Buffer.concat([header, payload]);
}
const json = (type, stream, message) => frame(type, stream, Buffer.from(JSON.stringify(message)));
const sync = Buffer.from("\0mvm-sync\r\n\x1a\0\xffv1", "latin1");
const trueCommand = {
  op: "exec",
  argv: ["true"],
  env: {},
  cwd: "/home/user",
  user: "user",
  stdin: "none",
  timeout_ms: 60_000,
  grace_ms: 1000,
  pty: null,
};

/**
 * Spawns QEMU on a template, restores it (or, with `boot`, boots it) and greets its agent. `command()` runs `true` and
 * resolves with the milliseconds since the machine was spawned.
 */
export async function rawMachine({ template, image, boot = undefined }) {
  const directory = mkdtempSync(join(tmpdir(), "mvm-floor-"));
  copyFileSync(join(template, "overlay.qcow2"), join(directory, "disk.qcow2"));
  const begin = performance.now();
  const qemu = spawn("qemu-system-x86_64", commandLine({ template, image, boot }), { cwd: directory, stdio: "ignore" });
  const kill = () => {
    qemu.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const [socket] = await Promise.all([
      open(join(directory, "agent.sock")),
      boot === undefined ? restore(directory, template) : undefined,
    ]);
    const results = reader(socket);
    const resume = {
      time_ns: `${Date.now()}000000`,
      entropy: randomBytes(64).toString("base64"),
      hostname: "floor",
      machine_id: "0".repeat(32),
      env: {},
      adopted: false,
    };
    const greeting = [sync, json(1, 0, { gen: 1, nonce: randomBytes(16).toString("hex") }), json(3, 0, resume)];
    let stream = 0;
    return {
      async command() {
        stream += 1;
        socket.write(Buffer.concat([...greeting.splice(0), json(0x10, stream, trueCommand)]));
        await results(stream);
        return performance.now() - begin;
      },
      kill,
    };
  } catch (error) {
    kill();
    throw error;
  }
}

/** Names the device state over the monitor, in one write. */
async function restore(directory, template) {
  const monitor = await open(join(directory, "qmp.sock"));
  monitor.on("error", () => undefined).resume();
  const commands = [
    { execute: "qmp_capabilities" },
    {
      execute: "migrate-set-capabilities",
      arguments: { capabilities: [{ capability: "x-ignore-shared", state: true }] },
    },
    { execute: "migrate-incoming", arguments: { uri: `file:${join(template, "state")}` } },
  ];
  monitor.write(commands.map((command) => `${JSON.stringify(command)}\n`).join(""));
}

async function open(path) {
  for (let tries = 0; tries < 20_000; tries++) {
    if (existsSync(path)) {
      const socket = await new Promise((resolve) => {
        const attempt = connect(path, () => resolve(attempt));
        attempt.once("error", () => resolve(undefined));
      });
      if (socket !== undefined) return socket;
    }
    await sleep(1);
  }
  throw new Error("QEMU made no socket");
}

/** Resolves when RESULT arrives on a stream. Reads exactly what the channel document says and nothing more. */
function reader(socket) {
  let bytes = Buffer.alloc(0);
  let synced = false;
  const waiting = new Map();
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!synced) {
      const at = bytes.indexOf(sync);
      if (at < 0) return;
      bytes = bytes.subarray(at + sync.length);
      synced = true;
    }
    while (bytes.length >= 12 && bytes.length >= 12 + bytes.readUInt32LE(8)) {
      const [type, stream] = [bytes[1], bytes.readUInt32LE(4)];
      bytes = bytes.subarray(12 + bytes.readUInt32LE(8));
      if (type === 0x11 || type === 0x12) waiting.get(stream)?.();
    }
  });
  return (stream) => new Promise((resolve) => waiting.set(stream, resolve));
}
