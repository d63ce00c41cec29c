import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { root } from "../support/home.js";

/** What the set-up looks for on a host; here each is there and does nothing. */
const hostPrograms = "qemu-img mmdebstrap mkfs.erofs mke2fs bwrap xz mount cargo cc newuidmap apt-get npm".split(" ");

let checkout: string;
let ran: string;

function place(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** A checkout whose launcher and set-up are the real ones and whose products are programs that say that they ran. */
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "mvm-checkout-"));
  onTestFinished(() => rmSync(checkout, { recursive: true, force: true }));
  ran = join(checkout, "ran");
  cpSync(join(root, "mvmctl"), join(checkout, "mvmctl"));
  cpSync(join(root, "scripts"), join(checkout, "scripts"), { recursive: true });
  const notes = (name: string, more = "") =>
    `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(ran)}, "${name} " + process.argv.slice(2).join(" ") + "\\n");${more}`;
  const makesTemplate = `if (process.argv[2] === "run") fs.mkdirSync(process.env.MVM_HOME + "/templates/one", { recursive: true });`;
  place(join(checkout, "packages/cli/dist/mvmctl.js"), notes("cli", makesTemplate));
  place(join(checkout, "packages/cli/src/main.ts"), "");
  place(join(checkout, "packages/images/dist/bin/build.js"), notes("image"));
  place(join(checkout, "guest/src/main.rs"), "");
  place(join(checkout, "guest/.cargo/config"), "");
  place(join(checkout, "guest/Cargo.toml"), "");
  for (const name of [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "packages/cli/tsconfig.json",
    "packages/cli/package.json",
  ])
    place(join(checkout, name), "{}");
  for (const name of hostPrograms) place(join(checkout, "bin", name), "#!/bin/sh\n", 0o755);
  place(join(checkout, "bin/qemu-system-x86_64"), "#!/bin/sh\necho QEMU emulator version 10.0.2\n", 0o755);
  symlinkSync(process.execPath, join(checkout, "bin/node"));
  place(join(checkout, "node_modules/.package-lock.json"), "{}");
  place(join(checkout, "guest/target/x86_64-unknown-linux-gnu/release/mvm-agent"), "");
  // Everything is old, so that the stamps of this test are newer.
  const old = new Date(Date.now() - 60_000);
  spawnSync("find", [checkout, "-exec", "touch", "-h", "-d", old.toISOString(), "{}", "+"]);
  mkdirSync(join(checkout, ".git/logs"), { recursive: true });
});

function mvmctl(
  args: readonly string[],
  env: Record<string, string> = {},
): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(checkout, "mvmctl"), args, {
    encoding: "utf8",
    timeout: 25_000,
    cwd: "/",
    env: { PATH: `${join(checkout, "bin")}:/usr/bin:/bin`, ...env },
  });
  return { code: status, stdout, stderr };
}

const home = (name: string): string => join(checkout, "homes", name);
const calls = (): string[] => readFileSync(ran, "utf8").trim().split("\n");
const steps = (stderr: string): number => stderr.split("\n").filter((line) => line.startsWith("mvmctl: [")).length;

it("two state roots of one checkout are set up once each, whichever is used in between", () => {
  for (const name of ["a", "b"]) {
    const first = mvmctl(["run", "--", "true"], { MVM_HOME: home(name) });
    expect({ code: first.code, steps: steps(first.stderr) }, first.stderr).toEqual({ code: 0, steps: 6 });
  }
  for (const name of ["a", "b", "a", "b"]) {
    const again = mvmctl(["run", "--", "true"], { MVM_HOME: home(name) });
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: "" });
  }
  // Another commit: each once more.
  place(join(checkout, ".git/logs/HEAD"), "");
  for (const [name, wanted] of [
    ["a", 6],
    ["b", 6],
    ["a", 0],
    ["b", 0],
  ] as const)
    expect(steps(mvmctl(["run", "--", "true"], { MVM_HOME: home(name) }).stderr), name).toBe(wanted);
});

it("on an empty state root only what makes a machine begins the set-up", () => {
  mvmctl(["version"], { MVM_HOME: home("first") });
  // Of this root the set-up says at once that it cannot begin: a file is in its place.
  place(home("file"), "");
  const answered = [
    "version|daemon status|daemon stop|ls|inspect x|stop x|exec x true|snapshot ls|snapshot restore x|image ls",
    "pool ls|gc|start x|resume x|fork x|doctor|help|up --help",
  ].join("|");
  for (const line of answered.split("|")) {
    expect({ line, ...mvmctl(line.split(" "), { MVM_HOME: home("file") }) }).toMatchObject({
      line,
      code: 0,
      stderr: "",
    });
    expect(calls().at(-1)).toBe(`cli ${line}`);
  }
  for (const line of ["run -- true", "up box", "create", "pool set python 1", "image build python", "setup"]) {
    const { code, stderr } = mvmctl(line.split(" "), { MVM_HOME: home("file") });
    expect({ line, code, stderr }).toMatchObject({
      line,
      code: 64,
      stderr: expect.stringContaining("not a directory"),
    });
  }
});

it("without HOME the password database says where the state root is, and without that there is one clear error", () => {
  mvmctl(["version"], { MVM_HOME: home("first") });
  place(join(checkout, "bin/getent"), `#!/bin/sh\necho "me:x:0:0::${checkout}/me:/bin/sh"\n`, 0o755);
  expect(mvmctl(["run", "--", "true"]).code).toBe(0);
  expect(readFileSync(join(checkout, "me/.local/share/mvm/setup.json"), "utf8")).toContain('"schema_version":1');
  place(join(checkout, "bin/getent"), "#!/bin/sh\nexit 2\n", 0o755);
  const { code, stdout, stderr } = mvmctl(["ls", "--json"]);
  expect(code).toBe(64);
  expect(JSON.parse(stdout)).toMatchObject({
    schema_version: 1,
    error: { name: "VmConfigError", code: "VM_CONFIG", hint: "Set MVM_HOME", operation: "ls", outcome: "not_started" },
  });
  expect(stderr).toContain("neither MVM_HOME nor HOME is set");
});

it("setup refuses what it does not know", () => {
  for (const line of [
    ["setup", "--bogus"],
    ["setup", "now"],
    ["--bogus", "setup"],
  ]) {
    const { code, stdout } = mvmctl([...line, "--json"], { MVM_HOME: home("a") });
    expect({ line, code }).toEqual({ line, code: 64 });
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "USAGE", name: "InvalidArgumentError", boundary: "client" },
    });
  }
  expect(mvmctl(["setup", "--json"], { MVM_HOME: home("a") }).stdout).toBe('{"schema_version":1,"ready":true}\n');
});

it.each<[string, (path: string) => void]>([
  ["is not a directory", (path) => place(path, "")],
  ["is a symbolic link", (path) => symlinkSync("/tmp", path)],
  ["others can write to it", (path) => (mkdirSync(path), chmodSync(path, 0o777))],
])("a state root of which %s is the error that the command line has for it", (why, prepare) => {
  mkdirSync(home(""), { recursive: true });
  prepare(home("bad"));
  const { code, stdout } = mvmctl(["run", "--json", "--", "true"], { MVM_HOME: home("bad") });
  expect(code).toBe(64);
  const { error } = JSON.parse(stdout);
  expect(error).toMatchObject({ name: "VmConfigError", code: "VM_CONFIG" });
  expect(error.message).toContain(why);
  expect(error.message).toContain(`Cannot use the state root "${home("bad")}"`);
});

it("a cargo that is there and does not run, such as rustup's without a toolchain, does not count", () => {
  const script = `set -eu; . "${join(checkout, "scripts/setup/debian.sh")}"; rust_path`;
  const found = (cargo: string): string => {
    place(join(checkout, "own", "cargo"), `#!/bin/sh\n${cargo}\n`, 0o755);
    const env = { PATH: `${join(checkout, "own")}:/usr/bin:/bin` };
    const { status, stdout } = spawnSync("/bin/sh", ["-c", script], { env, encoding: "utf8" });
    expect(status).toBe(0);
    return stdout.trim().split(":")[0] ?? "";
  };
  expect(found("echo cargo 1.99.0")).toBe(join(checkout, "own"));
  // Debian's, where there is one, else none.
  expect(["/usr/bin", ""]).toContain(found("echo no default toolchain >&2; exit 1"));
});
