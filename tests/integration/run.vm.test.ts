import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, document } from "../support/cli.js";
import { machinesOf, makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
beforeAll(() => {
  made = makeHome();
});
afterAll(() => made.remove());
const run = (args: readonly string[], options: object = {}) => cli(["run", ...args], { home: made.home, ...options });

describe("mvmctl run", () => {
  it("prints what the command prints and nothing else on stdout", async () => {
    const { code, stdout } = await run(["--", "python3", "-c", "print(6*7)"]);
    expect([code, stdout.toString()]).toEqual([0, "42\n"]);
  });

  it("runs on a kernel of the guest's own, without a network device", async () => {
    const { stdout } = await run(["--", "sh", "-c", "uname -n; ls /sys/class/net; id -un; pwd"]);
    const [name, ...rest] = stdout.toString().trim().split("\n");
    expect(name).toMatch(/^sbx-/);
    expect(rest).toEqual(["lo", "user", "/home/user"]);
  });

  it.each([0, 1, 2, 63, 64, 77, 124, 125, 126, 127, 128, 200, 255])("passes exit code %i through", async (wanted) => {
    expect((await run(["--", "sh", "-c", `exit ${wanted}`])).code).toBe(wanted);
  });

  it("says 128+n when signal n ended the command", async () => {
    const finished = await run(["--json", "--", "sh", "-c", "kill -9 $$"]);
    expect(finished.code).toBe(137);
    expect(document(finished)).toMatchObject({ exit_code: 137, signal: "SIGKILL", timed_out: false });
  });

  it("ends a command at its time limit and keeps what it had printed", async () => {
    const finished = await run(["--json", "--timeout", "1s", "--", "sh", "-c", "echo before; sleep 600"]);
    expect(finished.code).toBe(124);
    expect(document(finished)).toMatchObject({ timed_out: true, stdout: "before\n" });
  });

  it("forwards a piped stdin to its end", async () => {
    const text = "line\n".repeat(50_000);
    const { stdout } = await run(["--", "wc", "-c"], { stdin: text });
    expect(stdout.toString().trim()).toBe(String(text.length));
  });

  it("hands arguments over byte for byte", async () => {
    const words = ["", " ", "--json", "-x", "a b", "'\"", "$HOME", "*", "new\nline", "ü€𝄞", "a".repeat(100_000)];
    const { stdout } = await run(["--", "python3", "-c", "import sys,json;print(json.dumps(sys.argv[1:]))", ...words]);
    expect(JSON.parse(stdout.toString())).toEqual(words);
  });

  it("gives the result document of the contract", async () => {
    const finished = await run(["--json", "--", "sh", "-c", "printf out; printf err >&2; exit 3"]);
    expect(document(finished)).toMatchObject({
      schema_version: 1,
      run_id: expect.stringMatching(/^run_/),
      sandbox_id: expect.stringMatching(/^sbx_/),
      ...{ exit_code: 3, signal: null, timed_out: false, oom_killed: false, stdout: "out", stderr: "err" },
      ...{ stdout_bytes: 3, stderr_bytes: 3, stdout_truncated: false, stderr_truncated: false },
      receipt_path: expect.stringMatching(/receipts\/local\/run_\w+\.json$/),
      timings: {
        create_ms: expect.any(Number),
        exec_ms: expect.any(Number),
        total_ms: expect.any(Number),
        start: expect.any(String),
      },
      isolation: {
        backend: "qemu",
        accel: expect.stringMatching(/kvm|tcg/),
        isolation: expect.stringMatching(/hardware|emulated/),
      },
    });
  });

  it("has python, python3 and pip in the default image, and a private kernel random pool per run", async () => {
    const { stdout } = await run(["--", "sh", "-c", "python --version && python3 --version && pip --version"]);
    expect(stdout.toString()).toMatch(/^Python 3.*\nPython 3.*\npip /);
    const random = await Promise.all([0, 1].map(() => run(["--", "head", "-c", "16", "/dev/urandom"])));
    expect(random[0]?.stdout.equals(random[1]?.stdout ?? Buffer.of())).toBe(false);
  });

  it("leaves no machine and no sandbox behind", async () => {
    await run(["--", "true"]);
    const { stdout } = await cli(["ls", "--json"], { home: made.home });
    expect(JSON.parse(stdout.toString())).toMatchObject({ sandboxes: [] });
    for (let tries = 0; tries < 50 && machinesOf(made.home).length > 0; tries++)
      await new Promise((r) => setTimeout(r, 100));
    expect(machinesOf(made.home)).toEqual([]);
  });
});
