#!/usr/bin/env node
/**
 * The floor: spawns QEMU on a template that mvm made, restores it and runs `true` twice over the raw channel.
 * No daemon, no cage, no checks: nothing that restores the same template can be faster than this.
 * Prints one JSON line: {"first_ms": spawn to the end of the first command, "second_ms": the second command}.
 *
 * usage: floor.mjs TEMPLATE_DIRECTORY IMAGE_FILE              restores
 *        floor.mjs TEMPLATE_DIRECTORY IMAGE_FILE BOOT_DIRECTORY boots the same machine from its kernel instead
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [template, image, boot] = process.argv.slice(2);
const { inputs } = JSON.parse(readFileSync(join(template, "template.json"), "utf8"));
const directory = mkdtempSync(join(tmpdir(), "mvm-floor-"));

/** The recorded lines have empty file names; here they get their files. */
function commandLine() {
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
    if (line[at - 1] === "-kernel") return join(boot, "vmlinuz");
    if (line[at - 1] === "-initrd") return join(boot, "initramfs");
    if (line[at - 1] === "-append") return `${word} tsc=reliable tsc_early_khz=${process.env.TSC_KHZ}`;
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
const command = {
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

async function main() {
  copyFileSync(join(template, "overlay.qcow2"), join(directory, "disk.qcow2"));
  const begin = performance.now();
  const qemu = spawn("qemu-system-x86_64", commandLine(), { cwd: directory, stdio: "ignore" });
  try {
    const [socket] = await Promise.all([
      open(join(directory, "agent.sock")),
      boot === undefined ? restore() : undefined,
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
    socket.write(
      Buffer.concat([
        sync,
        json(1, 0, { gen: 1, nonce: randomBytes(16).toString("hex") }),
        json(3, 0, resume),
        json(0x10, 1, command),
      ]),
    );
    await results(1);
    const first = performance.now();
    socket.write(json(0x10, 2, command));
    await results(2);
    console.log(JSON.stringify({ first_ms: first - begin, second_ms: performance.now() - first }));
    process.exitCode = 0;
  } finally {
    qemu.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Names the device state over the monitor, in one write. */
async function restore() {
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

await main();
process.exit();
