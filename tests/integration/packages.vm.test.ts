import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { daemonPid, makeHome, root, stopDaemon } from "../support/home.js";

const run = promisify(execFile);
let made: ReturnType<typeof makeHome>;
let directory: string;
let tarballs: string[];

/** A user's environment: nothing of the checkout is in it. */
const environment = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  PATH: `${join(directory, "global/bin")}:${process.env["PATH"]!.replaceAll(root, "/nonexistent")}`,
  HOME: directory,
  MVM_HOME: made.home,
  ...more,
});
const mvmctl = (args: string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}) =>
  run("mvmctl", args, { env: environment(), cwd: directory, ...options });

/** Installs into an empty project, with the user's own npm settings: third-party packages come from the registry. */
async function project(name: string, packages: string[]): Promise<string> {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), JSON.stringify({ name, type: "module", private: true }));
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], { cwd: path });
  return path;
}
const tarball = (name: string) => tarballs.find((path) => basename(path).startsWith(`${name}-`))!;

const program = `
import { Sandbox, type CommandResult } from "@mvm/sdk";
const sandbox: Sandbox = await Sandbox.create("python");
try {
  const result: CommandResult = await sandbox.commands.run(["python3", "-c", "print(6*7)"]);
  console.log(result.exitCode, result.stdout.trim());
} finally {
  await sandbox.destroy();
}
`;
const typeless = (source: string) =>
  source.replace(", type CommandResult", "").replaceAll(/: (Sandbox|CommandResult)/g, "");

beforeAll(async () => {
  made = makeHome();
  directory = realpathSync(mkdtempSync(join(tmpdir(), "mvm-packages-")));
  mkdirSync(join(directory, "packed"));
  await run("npm", ["pack", "--workspaces", "--pack-destination", join(directory, "packed")], { cwd: root });
  tarballs = readdirSync(join(directory, "packed")).map((name) => join(directory, "packed", name));
  await run("npm", [
    "install",
    "--global",
    "--prefix",
    join(directory, "global"),
    "--no-audit",
    "--no-fund",
    ...tarballs,
  ]);
});
afterAll(() => {
  made?.remove();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

it("every package has its licence and what it names, and nothing of the build", async () => {
  expect(tarballs.map((path) => basename(path))).toContain(basename(tarball("mvm-sdk")));
  for (const path of tarballs) {
    const files = (await run("tar", ["-tzf", path])).stdout.trim().split("\n");
    const manifest = JSON.parse((await run("tar", ["-xzOf", path, "package/package.json"])).stdout);
    expect(files, path).toContain("package/LICENSE");
    expect(
      files.filter((name) => /tsbuildinfo|\.test\.|node_modules/.test(name)),
      path,
    ).toEqual([]);
    const named = JSON.stringify([manifest.exports ?? {}, manifest.bin ?? {}]).matchAll(/"(?:\.\/)?(dist\/[^"]+)"/g);
    for (const [, file] of named) expect(files, path).toContain(`package/${file}`);
    expect(
      files.some((name) => name.endsWith(".d.ts")),
      path,
    ).toBe(manifest.name !== "mvmctl");
  }
  const agent = (await run("tar", ["-tvzf", tarball("mvm-host"), "package/agent/mvm-agent"])).stdout;
  expect(agent).toMatch(/^-rwx/);
});

it("mvmctl, installed globally, runs a command in a machine, with the daemon and the agent of its packages", async () => {
  const { stdout } = await mvmctl(["run", "--", "python3", "-c", "print(6*7)"]);
  expect(stdout).toBe("42\n");
  const daemon = readFileSync(`/proc/${daemonPid(made.home)}/cmdline`, "utf8").split("\0");
  expect(daemon).toContain(join(directory, "global/lib/node_modules/@mvm/host/dist/main.js"));
  const { checks } = JSON.parse((await mvmctl(["doctor", "--json"])).stdout);
  expect(checks.filter(({ status }: { status: string }) => status === "fail")).toEqual([]);
});

it("a relative MVM_HOME is the same state root", async () => {
  const env = environment({ MVM_HOME: basename(made.home) });
  const { stdout } = await mvmctl(["daemon", "status", "--json"], { env, cwd: dirname(made.home) });
  expect(JSON.parse(stdout)).toMatchObject({ running: true, pid: daemonPid(made.home), home: made.home });
});

it("mvmctl setup finds the host ready, as often as it is asked", async () => {
  for (let times = 0; times < 2; times++) {
    const { stdout, stderr } = await mvmctl(["setup", "--json"]);
    expect(JSON.parse(stdout)).toEqual({ schema_version: 1, ready: true });
    expect(stderr).toMatch(/\[2\/2\]/);
  }
});

it("the SDK in an empty project: it runs a command", async () => {
  stopDaemon(made.home);
  const path = await project(
    "whole",
    tarballs.filter((file) => !basename(file).startsWith("mvmctl")),
  );
  writeFileSync(join(path, "main.mjs"), typeless(program));
  const env = environment({ PATH: process.env["PATH"]! });
  expect((await run("node", ["main.mjs"], { cwd: path, env })).stdout).toBe("0 42\n");
  const daemon = readFileSync(`/proc/${daemonPid(made.home)}/cmdline`, "utf8").split("\0");
  expect(daemon).toContain(join(path, "node_modules/@mvm/host/dist/main.js"));
});

it("the SDK alone has its types, uses the daemon of the mvmctl on the PATH, and says what is missing without one", async () => {
  stopDaemon(made.home);
  const path = await project("alone", [tarball("mvm-protocol"), tarball("mvm-sdk"), "@types/node@20"]);
  writeFileSync(join(path, "main.ts"), program);
  writeFileSync(join(path, "main.mjs"), typeless(program));
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: "nodenext",
    target: "es2022",
    types: ["node"],
    lib: ["es2022", "esnext.disposable"],
  };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  const complaints = await run(join(root, "node_modules/.bin/tsc"), [], { cwd: path }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
  expect(complaints).toBe("");
  const bare = environment({ PATH: "/usr/bin:/bin" });
  const failed = await run(process.execPath, ["main.mjs"], { cwd: path, env: bare }).then(
    () => undefined,
    (error: { stderr: string }) => error.stderr,
  );
  expect(failed).toMatch(/VmDependencyError.*mvmctl/s);
  expect((await run("node", ["main.mjs"], { cwd: path, env: environment() })).stdout).toBe("0 42\n");
  const daemon = readFileSync(`/proc/${daemonPid(made.home)}/cmdline`, "utf8").split("\0");
  expect(daemon).toContain(join(directory, "global/lib/node_modules/@mvm/host/dist/main.js"));

  // An SDK script in TypeScript, with its types, is recorded by the installed mvmctl.
  const recordings = join(root, "tests/recordings");
  writeFileSync(join(path, "job.ts"), `const typed: number = 1;\n${readFileSync(join(recordings, "job.ts"), "utf8")}`);
  const recorded = await mvmctl(["run", "--mode", "record", join(path, "job.ts")]);
  expect(JSON.parse(recorded.stdout)).toEqual(JSON.parse(readFileSync(join(recordings, "job.json"), "utf8")));
});
