import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeHome } from "../../../tests/support/home.js";
import { CommandFailed, PolicyDenied, type ProcessEvent, Sandbox, SandboxUnavailable, Timeout } from "../src/index.js";

// A home of its own: the shared one's daemon may be stopped by whoever used it before.
const made = makeHome();
process.env["MVM_HOME"] = made.home;
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await Sandbox.create({ image: "python", tags: { test: "sdk" } });
}, 600_000);
afterAll(async () => {
  await sandbox.destroy();
  made.remove();
});

const run: Sandbox["commands"]["run"] = (command, options) => sandbox.commands.run(command, options);

describe("commands in a real guest", () => {
  test("return everything there is to know", async () => {
    const result = await run(["python3", "-c", "import sys; print(6*7); print('err', file=sys.stderr); sys.exit(3)"]);
    expect(result).toMatchObject({ exitCode: 3, stdout: "42\n", stderr: "err\n", stdoutBytes: 3, timedOut: false });
    expect(result.runId).toMatch(/^run_/);
    expect(result.sandboxId).toBe(sandbox.id);
  });

  test("are a shell line as a string, argv without a shell as an array", async () => {
    expect((await run('echo "$USER $((6*7))"; pwd')).stdout).toBe("user 42\n/home/user\n");
    expect((await run(["echo", "$USER", "a  b"])).stdout).toBe("$USER a  b\n");
    expect((await run("id -u; pwd; echo $A", { user: "root", cwd: "/tmp", env: { A: "b" } })).stdout).toBe(
      "0\n/tmp\nb\n",
    );
  });

  test("read stdin, whole and as a stream", async () => {
    expect((await run(["cat"], { stdin: "hello" })).stdout).toBe("hello");
    async function* megabytes(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 10; i++) yield Buffer.alloc(1_000_000, "a");
    }
    expect((await run(["wc", "-c"], { stdin: megabytes() })).stdout.trim()).toBe("10000000");
    expect((await run(["head", "-c", "5"], { stdin: megabytes() })).stdout).toBe("aaaaa");
  });

  test("stream what they write while they run", async () => {
    const seen: [string, number][] = [];
    const began = performance.now();
    const onStdout = (text: string) => seen.push([text, performance.now() - began]);
    const { durationMs } = await run("echo one; sleep 1; echo two", { onStdout });
    expect(seen.map(([text]) => text).join("")).toBe("one\ntwo\n");
    expect((seen.at(-1)?.[1] ?? 0) - (seen[0]?.[1] ?? 0)).toBeGreaterThan(500);
    expect(durationMs).toBeGreaterThan(1000);
  });

  test("are bounded in time and output, and say so", async () => {
    expect(await run("echo early; sleep 60", { timeoutMs: 1500 })).toMatchObject({ timedOut: true, stdout: "early\n" });
    await expect(run("sleep 60", { timeoutSeconds: 0.5, check: true })).rejects.toBeInstanceOf(Timeout);
    await expect(run("exit 4", { check: true })).rejects.toBeInstanceOf(CommandFailed);
    const long = await run("head -c 300000 /dev/zero | tr '\\0' x", { maxOutputBytes: 1000 });
    expect(long).toMatchObject({ stdoutBytes: 300_000, stdoutTruncated: true });
    expect(long.stdout).toContain("[299000 bytes omitted]");
    const binary = await run("printf '\\377a'");
    expect([binary.stdout, binary.stdoutBase64]).toEqual(["\ufffda", "/2E="]);
  });

  test("end with their signal", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 500);
    await expect(run("exec sleep 4242", { signal: controller.signal })).rejects.toBe(reason);
    await expect.poll(async () => (await run("pgrep -f 'sleep 424[2]' || true")).stdout, { timeout: 10_000 }).toBe("");
  });

  test("go on in the background, are followed, fed and killed", async () => {
    const cat = await sandbox.commands.start(["cat"]);
    await cat.writeStdin("h€llo\n");
    await cat.closeStdin();
    expect((await cat.wait()).stdout).toBe("h€llo\n");
    const events: ProcessEvent["type"][] = [];
    for await (const event of cat) events.push(event.type);
    expect(events).toEqual(["stdout", "end"]);

    const sleeper = await sandbox.commands.start("sleep 100; true");
    const found = await sandbox.commands.connect(sleeper.pid);
    await found.kill("SIGKILL");
    expect(await sleeper.wait()).toMatchObject({ signal: "SIGKILL", exitCode: 137 });
    await expect(sandbox.commands.connect(99_999)).rejects.toMatchObject({ code: "PROCESS_NOT_FOUND" });

    const terminal = await sandbox.commands.start(["stty", "size"], { pty: { rows: 20, cols: 33 } });
    expect((await terminal.wait()).stdout).toBe("20 33\r\n");
  });
});

describe("files in a real guest", () => {
  // How fast the guest takes the bytes is a matter for bench/: on a busy machine an emulated guest gets little of the CPU.
  test("64 MiB go both ways unchanged, and cost the client less than a second of CPU each way", async () => {
    const content = randomBytes(64 * 1024 * 1024);
    const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const cost = async (transfer: () => Promise<unknown>) => {
      const before = process.cpuUsage();
      const began = performance.now();
      await transfer();
      const { user, system } = process.cpuUsage(before);
      console.log(`${(content.length / (performance.now() - began) / 1000).toFixed(1)} MB/s`);
      return (user + system) / 1000;
    };
    expect(await cost(() => sandbox.files.write("big", content))).toBeLessThan(1000);
    let back: Uint8Array = Buffer.alloc(0);
    expect(await cost(async () => (back = await sandbox.files.read("big", { format: "bytes" })))).toBeLessThan(1000);
    expect(digest(back)).toBe(digest(content));
  });

  test("are made, listed, moved and removed", async () => {
    const { files } = sandbox;
    await files.write("d/e/f.txt", "h€llo", { mode: 0o600 });
    expect(await files.read("/home/user/d/e/f.txt")).toBe("h€llo");
    expect(await files.stat("d/e/f.txt")).toMatchObject({
      name: "f.txt",
      type: "file",
      size: 7,
      mode: 0o600,
      uid: 1000,
    });
    expect((await files.list("d")).map((entry) => entry.name)).toEqual(["e"]);
    await files.rename("d/e/f.txt", "d/g");
    expect([await files.exists("d/g"), await files.exists("d/e/f.txt")]).toEqual([true, false]);
    expect(await files.mkdir("d/e")).toBe(false);
    await expect(files.remove("d")).rejects.toMatchObject({ code: "FILE_NOT_EMPTY" });
    expect(await files.remove("d", { recursive: true })).toBe(3);
  });

  test("say what is wrong", async () => {
    const { files } = sandbox;
    const error = { name: "GuestAgentError", sandboxId: sandbox.id };
    await expect(files.read("/nope")).rejects.toMatchObject({ ...error, code: "FILE_NOT_FOUND" });
    await expect(files.read("/etc")).rejects.toMatchObject({ ...error, code: "FILE_IS_DIRECTORY" });
    await expect(files.write("/etc/passwd", "", { exclusive: true })).rejects.toMatchObject({ code: "FILE_EXISTS" });
    await expect(files.read("/proc/version")).rejects.toBeInstanceOf(PolicyDenied);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.alloc(100_000));
    }
    for (let round = 0; round < 20; round++) {
      await expect(files.write("/etc/passwd", endless(), { exclusive: true })).rejects.toMatchObject({
        code: "FILE_EXISTS",
      });
    }
  });
});

describe("a real sandbox", () => {
  test("is found, told about, and given a time to live", async () => {
    const other = await Sandbox.connect(sandbox.id);
    expect((await other.status()).state).toBe("running");
    expect((await other.metrics()).guest?.memTotalBytes).toBeGreaterThan(100 * 1024 * 1024);
    expect((await Sandbox.list({ tags: { test: "sdk" } })).map((info) => info.id)).toContain(sandbox.id);
    expect(Date.parse((await other.setTtl(1000)).expiresAt ?? "")).toBeGreaterThan(Date.now());
  });

  test("dies within a second of the process that owns it, killed or gone", async () => {
    const module = JSON.stringify(new URL("../dist/index.js", import.meta.url).href);
    for (const end of ["setInterval(() => {}, 1000)", "process.exit()", "throw new Error('oops')"]) {
      const script = `const { Sandbox } = await import(${module}); const s = await Sandbox.create("python"); console.log(s.id); setTimeout(() => { ${end} }, 300);`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const id = await new Promise<string>((found) => child.stdout.once("data", (data) => found(String(data).trim())));
      if (end.startsWith("setInterval")) child.kill("SIGKILL");
      await new Promise((done) => child.once("close", done));
      const state = async () => (await Sandbox.connect(id)).info.state;
      const gone = async () => (await state().catch((error: unknown) => error)) !== "running";
      await expect.poll(gone, { timeout: 1000, interval: 50 }).toBe(true);
    }
  });

  test("that is destroyed is unavailable, and says why", async () => {
    const short = await Sandbox.create("python");
    expect((await short.destroy()).destroyed).toBe(true);
    expect((await short.destroy()).destroyed).toBe(false);
    const error: unknown = await short.commands.run("true").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SandboxUnavailable);
  });
});
