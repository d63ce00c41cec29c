// Runs JavaScript in contexts that keep their state. docs/run-code.md describes the protocol and what it promises.
//
// This process runs as root, reads requests of the host from stdin, answers on stdout, and never runs code of a user: every
// context is a process of `user` in a cgroup of its own. What a context writes is passed on unread. The program of the
// contexts is this program's argument.
"use strict";

const fs = require("node:fs");
const { spawn } = require("node:child_process");

const interpreter = process.argv[1];
const messageMax = 8 << 20;
const windowBytes = 256 << 10;
/** Between an exit of a context and the news of it, or a closed descriptor and the end of its patience. Milliseconds. */
const grace = 300;
/** From the end of a call to the making of the next spare. Milliseconds. */
const refillAfter = 20;
/** OpenSSL draws a fresh seed in a process that is older; a younger one might share its state with a copy of the machine. */
const reseededAfter = 8 * 60_000;

const contexts = new Map();
const calls = new Map();
const base = ownCgroup();
let made = 0;
let environment = {};
let spare = null;

function send(fields) {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}

function ownCgroup() {
  try {
    return `/sys/fs/cgroup${fs.readFileSync("/proc/self/cgroup", "utf8").trim().split("::")[1]}`;
  } catch {
    return null;
  }
}

function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

class Context {
  constructor() {
    const [, , uid, gid] = /^user:.*$/m.exec(fs.readFileSync("/etc/passwd", "utf8"))[0].split(":").map(Number);
    this.name = null;
    this.call = null;
    this.why = null;
    this.unread = 0;
    this.up = false;
    this.inbox = [];
    this.size = 0;
    this.born = Date.now();
    this.cgroup = `${base}/context-${++made}`;
    attempt(() => fs.mkdirSync(this.cgroup));
    const options = { uid, gid, cwd: "/", env: {}, detached: true, stdio: ["ignore", "pipe", "pipe", "pipe"] };
    this.child = spawn(process.execPath, ["-e", interpreter], options);
    const { pid } = this.child;
    this.alive = pid !== undefined;
    this.child.once("error", (error) => (this.problem = error.message));
    attempt(() => fs.writeFileSync(`/proc/${pid}/oom_score_adj`, "0"));
    attempt(() => fs.writeFileSync(`${this.cgroup}/cgroup.procs`, String(pid)));
    this.control = this.child.stdio[3];
    this.streams = { stdout: this.child.stdout, stderr: this.child.stderr };
    for (const [name, stream] of Object.entries(this.streams)) {
      stream?.pause();
      stream?.on("data", (data) => this.output(name, data));
      stream?.on("error", () => undefined);
    }
    this.control?.on("data", (data) => this.read(data));
    this.control?.on("error", () => undefined);
    this.control?.once(
      "close",
      () => this.alive && this.why === null && (this.closing = setTimeout(() => this.kill("closed"), grace)),
    );
    this.child.once("exit", (code, signal) => this.gone(code, signal));
  }

  tell(message) {
    const data = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    this.control.write(Buffer.concat([head, data]));
  }

  /** Output is read while a call waits for it and the host keeps up. */
  listen() {
    for (const stream of Object.values(this.streams)) {
      if (this.call !== null && this.unread < windowBytes) stream.resume();
      else stream.pause();
    }
  }

  output(event, data) {
    this.unread += data.length;
    send({ event, call: this.call ?? this.last, data: data.toString("base64") });
    if (this.unread >= windowBytes || this.call === null) this.listen();
  }

  read(data) {
    this.inbox.push(data);
    this.size += data.length;
    if (this.size < 4) return;
    const whole = this.inbox.length === 1 ? data : Buffer.concat(this.inbox, this.size);
    this.inbox = [whole];
    const length = whole.readUInt32BE(0);
    if (!this.up && length === 0 && this.size === 4) {
      // The first thing it says, before it has been given any code.
      this.up = true;
      this.inbox = [];
      this.size = 0;
      return announceReady();
    }
    if (length > messageMax || this.call === null || this.size > 4 + length) return this.kill("violation");
    if (this.size < 4 + length) return;
    this.inbox = [];
    this.size = 0;
    // What was written before the result is in the pipes already: they are read before it is passed on.
    const call = this.call;
    this.drain(() => {
      if (this.call !== call) return;
      send({ event: "result", call, data: whole.subarray(4).toString("base64") });
      this.finish({ ended: null, status: null, signal: null, oom: false });
    });
  }

  /** One turn of the event loop reads what the pipes hold; it is repeated while there is more, within their largest size. */
  drain(done, rounds = 64) {
    const before = this.unread;
    for (const stream of Object.values(this.streams)) stream.resume();
    setImmediate(() => (this.unread > before && rounds > 0 ? this.drain(done, rounds - 1) : done()));
  }

  finish(end) {
    const { call } = this;
    this.last = call;
    this.call = null;
    clearTimeout(this.deadline);
    calls.delete(call);
    this.listen();
    send({ event: "end", call, ...end });
    if (spare === null) setTimeout(refill, refillAfter);
  }

  /** From now on its name is free; its call ends when the kernel says that it is gone. */
  kill(why) {
    if (!this.alive) return;
    this.why ??= why;
    if (contexts.get(this.name) === this) contexts.delete(this.name);
    attempt(() => fs.writeFileSync(`${this.cgroup}/cgroup.kill`, "1"));
    this.child.kill("SIGKILL");
  }

  gone(code, signal) {
    this.alive = false;
    clearTimeout(this.closing);
    const oom = /^oom_kill [1-9]/m.test(
      attempt(() => fs.readFileSync(`${this.cgroup}/memory.events.local`, "utf8")) ?? "",
    );
    attempt(() => fs.writeFileSync(`${this.cgroup}/cgroup.kill`, "1"));
    const clean = (tries) => {
      const removed = attempt(() => (fs.rmdirSync(this.cgroup), true));
      if (removed !== true && tries > 0) setTimeout(clean, 500, tries - 1).unref();
    };
    clean(20);
    if (contexts.get(this.name) === this) contexts.delete(this.name);
    if (spare === this) spare = null;
    const ended = this.why ?? "exited";
    const number = signal === null ? null : require("node:os").constants.signals[signal];
    if (this.call !== null) this.drain(() => this.finish({ ended, status: code, signal: number, oom }));
    else if (this.name !== null) send({ event: "gone", context: this.name, ended });
  }
}

function refill() {
  if (spare !== null) return;
  const context = new Context();
  if (context.alive) spare = context;
}

const handlers = {
  /** A host is there. Randomness of Node cannot be renewed, so no context goes on in what may be a copy of its machine. */
  hello({ nonce, env }) {
    environment = env;
    for (const context of [...contexts.values()]) context.kill("lost");
    const age = spare === null ? 0 : Date.now() - spare.born;
    if (spare !== null && age >= 0 && age < reseededAfter) {
      spare.kill("lost");
      spare = null;
    }
    process.stdout.write("\n");
    send({ event: "hello", nonce, contexts: [] });
  },

  run({ call, context: name, code, cwd, timeout_ms: timeout, entropy }) {
    let context = contexts.get(name);
    const fresh = context === undefined;
    const message = {};
    if (fresh) {
      context = spare ?? new Context();
      spare = null;
      if (!context.alive) {
        const detail = context.problem ?? "no process can be made";
        return send({ event: "end", call, ended: "not_started", status: null, signal: null, oom: false, detail });
      }
      context.name = name;
      contexts.set(name, context);
      message.start = { env: environment, cwd, entropy };
    }
    context.call = call;
    context.unread = 0;
    calls.set(call, context);
    if (timeout !== null) context.deadline = setTimeout(() => context.kill("timed_out"), timeout);
    send({ event: "begin", call, fresh, pid: context.child.pid });
    if (code !== null) Object.assign(message, { call, code });
    if (fresh || code !== null) context.tell(message);
    if (code === null) context.finish({ ended: null, status: null, signal: null, oom: false });
    else context.listen();
  },

  ack({ call, bytes }) {
    const context = calls.get(call);
    if (context === undefined) return;
    context.unread -= bytes;
    context.listen();
  },

  kill({ context: name, call, why }) {
    const context = contexts.get(name);
    if (context !== undefined && (call === undefined || call === context.call)) context.kill(why);
  },
};

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    // The end of what a former host did not finish is no request.
    const request = attempt(() => JSON.parse(line));
    if (typeof request?.op === "string" && Object.hasOwn(handlers, request.op)) handlers[request.op](request);
  }
});
process.stdin.once("end", () => process.exit(0));
process.on("uncaughtException", () => process.exit(70));
attempt(() => fs.writeFileSync("/proc/self/oom_score_adj", "-900"));
attempt(() => require("node:os").setPriority(-10));
/** Once the first spare is up, not only started, the machine may be saved. */
function announceReady() {
  send({ event: "ready" });
  announceReady = () => undefined;
}
refill();
