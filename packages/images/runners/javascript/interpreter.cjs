// A context of the JavaScript runner: what its process does between two cells, and in them. docs/run-code.md.
"use strict";

const net = require("node:net");
const util = require("node:util");
const vm = require("node:vm");
const { createRequire } = require("node:module");

const messageMax = 8 << 20;
const outputsMax = messageMax / 4;
const valueMax = 1 << 20;
const control = new net.Socket({ fd: 3, readable: true, writable: true });
let cells = 0;
let outputs = [];
let failure = null;

/** Every clone of the machine has the same state of V8's generator: this one starts from the host's entropy. */
function seedRandom(entropy) {
  const seed = Buffer.from(entropy, "base64");
  let [a, b] = [seed.readBigUInt64LE(0) | 1n, seed.readBigUInt64LE(8)];
  const pool = new Float64Array(512);
  let left = 0;
  const refill = () => {
    for (left = 0; left < pool.length; left++) {
      const [x, y] = [a, b];
      a = y;
      const z = BigInt.asUintN(64, x ^ (x << 23n));
      b = z ^ y ^ (z >> 17n) ^ (y >> 26n);
      pool[left] = Number(BigInt.asUintN(64, a + b) >> 11n) / 2 ** 53;
    }
  };
  Math.random = function random() {
    if (left === 0) refill();
    return pool[--left];
  };
}

/** The first call has come: what a command of the user would find is found here. */
function start({ env, cwd, entropy }) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  seedRandom(entropy);
  try {
    process.chdir(cwd);
  } catch (error) {
    failure = error;
  }
  globalThis.require = createRequire(`${process.cwd()}/cell.js`);
  globalThis.display = (...values) =>
    void outputs.push(...values.map((value) => ({ ...rich(value), "text/plain": shown(value) })));
}

/** The value in the formats it offers: those of Jupyter, and JSON of what is plainly data. */
function rich(value) {
  const bundle = {};
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return bundle;
  const offered = value[Symbol.for("Jupyter.display")];
  if (typeof offered === "function") Object.assign(bundle, offered.call(value));
  const kinds = {
    _repr_html_: "text/html",
    _repr_png_: "image/png",
    _repr_svg_: "image/svg+xml",
    _repr_json_: "application/json",
  };
  for (const [method, kind] of Object.entries(kinds)) {
    if (typeof value[method] === "function" && bundle[kind] === undefined) bundle[kind] = value[method]();
  }
  const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (plain && Object.keys(bundle).length === 0) {
    try {
      bundle["application/json"] = JSON.stringify(value);
    } catch {
      // Circular or no data after all.
    }
  }
  delete bundle["text/plain"];
  const text = (data) =>
    typeof data === "string"
      ? data
      : ArrayBuffer.isView(data)
        ? Buffer.from(data).toString("base64")
        : JSON.stringify(data);
  return Object.fromEntries(
    Object.entries(bundle).flatMap(([kind, data]) => (data == null ? [] : [[kind, String(text(data))]])),
  );
}

function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, most)}… ${text.length - most} characters omitted`;
}

function shown(value) {
  return cut(util.inspect(value, { depth: 4, maxArrayLength: 1000, maxStringLength: valueMax }), valueMax);
}

function described(error) {
  try {
    if (!util.types.isNativeError(error) && !(error instanceof Error)) {
      const text = cut(util.inspect(error), 1 << 16);
      return { name: "Thrown", value: text, traceback: `Uncaught ${text}` };
    }
    const lines = String(error.stack).split("\n");
    // What is below the cell is this program's.
    const last = lines.findLastIndex((line) => line.includes("<cell "));
    const stack = last < 0 ? lines.slice(0, 1) : lines.slice(0, last + 1);
    return {
      name: cut(String(error.name), 256),
      value: cut(String(error.message), 1 << 16),
      traceback: cut(stack.join("\n"), 1 << 18),
    };
  } catch {
    return { name: "Error", value: "its text cannot be made", traceback: "" };
  }
}

/** A script, for the value of its last expression and the names it declares; with `await` at the top an async function. */
function compiled(code, filename) {
  const options = { filename, importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER };
  try {
    return new vm.Script(code, options);
  } catch (problem) {
    if (!/\bawait\b/.test(code)) throw problem;
    for (const wrapped of [`(async () => (${code}\n))()`, `(async () => {${code}\n})()`]) {
      try {
        return new vm.Script(wrapped, options);
      } catch {
        continue;
      }
    }
    throw problem;
  }
}

async function run(code) {
  cells += 1;
  outputs = [];
  try {
    if (failure !== null) {
      const problem = failure;
      failure = null;
      throw problem;
    }
    const value = await compiled(code, `<cell ${cells}>`).runInThisContext();
    if (value === undefined) return { value: null, error: null };
    const bundle = rich(value);
    if (Object.keys(bundle).length > 0) outputs.push(bundle);
    return { value: shown(value), error: null };
  } catch (error) {
    return { value: null, error: described(error) };
  }
}

/** Output that the pipe had no room for goes before the result. */
function written(stream) {
  if (stream.destroyed || stream.writableLength === 0) return undefined;
  return new Promise((resolve) => stream.write("", resolve));
}

async function answer(call, result) {
  await Promise.all([written(process.stdout), written(process.stderr)]);
  let budget = outputsMax;
  const kept = outputs.filter(
    (output) => (budget -= Object.values(output).reduce((sum, text) => sum + text.length, 0)) > 0,
  );
  const data = Buffer.from(
    JSON.stringify({ call, outputs: kept, outputs_dropped: outputs.length - kept.length, ...result }),
  );
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  control.write(Buffer.concat([head, data]));
}

let inbox = Buffer.alloc(0);
control.on("data", (data) => {
  inbox = Buffer.concat([inbox, data]);
  while (inbox.length >= 4 && inbox.length >= 4 + inbox.readUInt32BE(0)) {
    const end = 4 + inbox.readUInt32BE(0);
    const message = JSON.parse(inbox.subarray(4, end).toString());
    inbox = inbox.subarray(end);
    if (message.start !== undefined) start(message.start);
    if (message.code !== undefined) void run(message.code).then((result) => answer(message.call, result));
  }
});
control.on("error", () => process.exit(70));
control.on("close", () => process.exit(0));
// Warms what a first cell needs, then says that it is up.
rich([{}]);
shown({ a: [1, "b"] });
described(new Error("warm"));
compiled("1 + 1", "warm").runInThisContext();
control.write(Buffer.alloc(4));
// Nobody waits for what fails outside of a cell.
process.on("uncaughtException", (error) => console.error("Uncaught", error));
process.on("unhandledRejection", (error) => console.error("Unhandled rejection", error));
