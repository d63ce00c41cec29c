import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  openSync,
  readSync,
  writeSync,
  closeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { Line } from "../support/api.js";
import { checkHome, machineProcesses, startDaemon, stopped, type DaemonProcess } from "../support/daemon.js";
import { makeHome } from "../support/home.js";

let made: ReturnType<typeof makeHome>;
let daemon: DaemonProcess;
beforeAll(() => {
  made = makeHome();
});
beforeEach(async () => {
  daemon = await startDaemon(made.home);
});
afterEach(async () => {
  await checkHome(made.home, daemon.api);
  await stopped(daemon);
});
afterAll(() => made.remove());

const images = () => join(made.home, "images");
const python = (): string => {
  const { digest } = JSON.parse(readFileSync(join(images(), "refs", "python.json"), "utf8"));
  return join(images(), `${digest.slice(7)}.erofs`);
};

/** The file's own copy: what is shared by hard links is the test suite's, and must stay whole. */
function own(path: string): string {
  const copy = `${path}.copy`;
  copyFileSync(path, copy);
  chmodSync(copy, 0o600);
  renameSync(copy, path);
  return path;
}

function flip(path: string, at: number): void {
  const file = openSync(own(path), "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0]! ^= 1;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

const create = async (body: object = {}): Promise<Line> =>
  (await daemon.api.lines("POST", "/v1/sandboxes", { detach: true, ttl_seconds: 300, ...body })).at(-1)!;

async function works(body: object = {}): Promise<void> {
  const created = await create(body);
  expect(created.event, JSON.stringify(created)).toBe("created");
  const { id } = created["sandbox"];
  expect((await daemon.api.exec(id, ["python3", "-c", "print(6*7)"])).stdout).toBe("42\n");
  await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
}

it.each([0, 1024, 1_000_000, -1])(
  "V-01 a flipped byte at %i of an image is found before anything boots",
  async (at) => {
    const path = python();
    const saved = `${path}.saved`;
    copyFileSync(path, saved);
    try {
      flip(path, at < 0 ? readFileSync(path).length - 1 : at);
      const { error } = await create();
      expect(error).toMatchObject({ code: "ASSET_CHECKSUM_MISMATCH" });
      expect(error.outcome ?? "not_started").toBe("not_started");
      expect(machineProcesses(made.home)).toEqual([]);
    } finally {
      renameSync(saved, path);
    }
  },
);

it("V-01 an image that is cut short, gone, or whose record is damaged", async () => {
  const path = python();
  const record = path.replace(/erofs$/, "json");
  for (const file of [path, record]) copyFileSync(file, `${file}.saved`);
  try {
    truncateSync(own(path), 4096);
    expect((await create())["error"].code).toBe("ASSET_CHECKSUM_MISMATCH");
    rmSync(path);
    expect((await create({ image: path.slice(-70, -6) }))["error"].code).toMatch(/ASSET_NOT_FOUND|INVALID_ARGUMENT/);
    copyFileSync(`${path}.saved`, path);
    const text = readFileSync(record, "utf8");
    for (const damaged of ["", text.slice(0, 40), text.replace(/[0-9a-f]{64}/, "0".repeat(64)), "[]"]) {
      writeFileSync(own(record), damaged);
      const { error } = await create();
      expect(error?.code, damaged.slice(0, 20)).toMatch(/^ASSET_/);
      expect(machineProcesses(made.home)).toEqual([]);
    }
  } finally {
    rmSync(path, { force: true });
    rmSync(record, { force: true });
    for (const file of [path, record]) renameSync(`${file}.saved`, file);
  }
  await works();
});

it("V-01 an unknown image names what there is", async () => {
  const { error } = await create({ image: "nosuchimage" });
  expect(error.code).toBe("ASSET_NOT_FOUND");
  expect(error.message).toContain("python");
});

it("V-01 a damaged kernel or initramfs is not booted", { timeout: 240_000 }, async () => {
  await stopped(daemon);
  const boot = join(made.home, "boot");
  for (const directory of readdirSync(boot)) {
    for (const name of ["vmlinuz", "initramfs"]) flip(join(boot, directory, name), 5000);
  }
  rmSync(join(made.home, "templates"), { recursive: true, force: true });
  daemon = await startDaemon(made.home);
  await works();
});

it("V-01 a damaged template is made anew or refused, never used", { timeout: 600_000 }, async () => {
  await works();
  const templates = join(made.home, "templates");
  // Files that are cut short or missing are found by their sizes: see the tests of the template store.
  const damage: Record<string, (directory: string) => void> = {
    "its state is random": (directory) => {
      const path = own(join(directory, "state"));
      writeFileSync(path, Buffer.alloc(statSync(path).size, 0xa5));
    },
    "its memory is missing": (directory) => rmSync(join(directory, "ram")),
  };
  for (const [what, harm] of Object.entries(damage)) {
    await stopped(daemon);
    for (const name of readdirSync(templates)) harm(join(templates, name));
    mkdirSync(join(templates, ".making-left-by-a-crash"), { recursive: true });
    daemon = await startDaemon(made.home);
    const created = await create();
    if (created.event === "created") {
      const { id } = created["sandbox"];
      expect((await daemon.api.exec(id, ["python3", "-c", "print(6*7)"])).stdout, what).toBe("42\n");
      await daemon.api.json("DELETE", `/v1/sandboxes/${id}`);
    } else {
      expect(created["error"].code, what).not.toBe("INTERNAL");
    }
    await works();
    expect(existsSync(join(templates, ".making-left-by-a-crash")), what).toBe(false);
    console.log(`template: ${what}: survived`);
  }
});

/** A program with QEMU's manners, and not more. */
function fakeQemu(script: string): string {
  const path = join(made.home, `qemu-${randomBytes(4).toString("hex")}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

it.each([
  ["missing", () => "/nonexistent/qemu-system-x86_64", /not installed/],
  ["too old", () => fakeQemu("echo 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)'"), /7\.2\.22.*10 or newer/],
  ["not a QEMU", () => fakeQemu("echo hello"), /not installed|version/],
  ["not executable", () => "/etc/hostname", /not installed|version/],
  ["failing", () => fakeQemu("exit 1"), /not installed|version/],
])(
  "V-05 a QEMU that is %s: VmDependencyError with what to do, from create, run, doctor and backends",
  async (_what, path, says) => {
    await stopped(daemon);
    daemon = await startDaemon(made.home, { MVM_QEMU: path() });
    const { error } = await create();
    expect(error).toMatchObject({ name: "VmDependencyError", outcome: "not_started" });
    expect(error.message).toMatch(says);
    expect(error.hint).toMatch(/mvmctl setup/);
    const run = await daemon.api.lines("POST", "/v1/runs", { sandbox: {}, command: { argv: ["true"] } });
    expect(run.at(-1)!["error"].name).toBe("VmDependencyError");
    const { body: doctor } = await daemon.api.json("GET", "/v1/doctor");
    expect(doctor.ok).toBe(false);
    const check = doctor.checks.find(({ name }: { name: string }) => name === "backend.qemu");
    expect(check).toMatchObject({ status: "fail", fix: expect.stringMatching(/setup/) });
    const { body } = await daemon.api.json("GET", "/v1/backends");
    expect(body.backends[0]).toMatchObject({ name: "qemu", available: false });
  },
);

it(
  "V-05 a QEMU that dies at once, or says nothing, ends the create with an error and leaves no process",
  { timeout: 240_000 },
  async () => {
    await stopped(daemon);
    // Right in every question and useless as a machine.
    const version =
      "case $* in *--version*) echo 'QEMU emulator version 10.0.2'; exit 0;; *'-machine none'*) sleep 5; exit 0;; esac";
    daemon = await startDaemon(made.home, { MVM_QEMU: fakeQemu(`${version}\necho 'no such device' >&2\nexit 1`) });
    const { error } = await create();
    expect(error.name).toMatch(/^Vm/);
    expect(error.code).not.toBe("INTERNAL");
  },
);
