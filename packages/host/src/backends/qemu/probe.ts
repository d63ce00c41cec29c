import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { promisify } from "node:util";
import type { CageTools } from "./cage.js";
import { type CgroupFacts, probeCgroup } from "./cgroup.js";
import type { QemuFeatures } from "./command-line.js";
import { findProgram, findQemu, systemDirectories } from "./tools.js";

const run = promisify(execFile);

/** How long a QEMU without a guest is watched: one that refuses its options ends within milliseconds. */
const watchMs = 400;
/** Oldest QEMU that maps a template's memory privately from a read-only file. */
export const oldestQemu = 10;

/** What was found out about this host once; cheap facts only, no guest is booted for them. */
export interface HostFacts {
  readonly qemu: {
    readonly path: string;
    readonly version: string;
    readonly size: number;
    readonly mtimeMs: number;
  } | null;
  readonly features: QemuFeatures;
  readonly cageTools: CageTools;
  readonly cgroup: CgroupFacts;
  readonly kvmDevice: { readonly usable: boolean; readonly reason: string };
}

/** Probes the host by trying, never by reading version numbers where trying is possible. */
export async function probeHost(): Promise<HostFacts> {
  const path = findQemu();
  const kvmDevice = probeKvmDevice();
  const version = path === null ? null : await qemuVersion(path);
  const [seccomp, ioUring, bwrap] = await Promise.all([
    path === null
      ? false
      : survives(path, ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]),
    path === null
      ? false
      : survives(path, [
          "-blockdev",
          `driver=file,node-name=probe,filename=${path},read-only=on,aio=io_uring,locking=off`,
        ]),
    probeBubblewrap(),
  ]);
  return {
    qemu: path === null || version === null ? null : { path, version, ...binaryStamp(path) },
    features: { seccomp, ioUring },
    kvmDevice,
    cgroup: probeCgroup(),
    cageTools: {
      bwrap,
      prlimit: findProgram("prlimit"),
      setpriv: findProgram("setpriv"),
      // Another user could not reach the machine's files below the state root without bubblewrap's binds.
      root: process.getuid?.() === 0 && bwrap !== null,
      seccomp,
      kvmAccess: kvmAccess(),
    },
  };
}

function binaryStamp(path: string): { size: number; mtimeMs: number } {
  const { size, mtimeMs } = statSync(path);
  return { size, mtimeMs };
}

async function qemuVersion(path: string): Promise<string | null> {
  try {
    const { stdout } = await run(path, ["--version"], { timeout: 10_000, env: {} });
    return /version (\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** True when a QEMU without a guest is still there after a moment: it accepted the options and what they do. */
async function survives(path: string, options: readonly string[]): Promise<boolean> {
  try {
    // SIGKILL, since QEMU answers SIGTERM with an orderly exit that looks like refusing an option quietly.
    const killSignal = "SIGKILL";
    await run(path, ["-machine", "none", "-nodefaults", "-display", "none", "-S", ...options], {
      timeout: watchMs,
      killSignal,
      env: {},
    });
    return false;
  } catch (error) {
    return (error as { killed?: boolean }).killed === true;
  }
}

async function probeBubblewrap(): Promise<string | null> {
  const path = findProgram("bwrap");
  if (path === null) return null;
  const root = systemDirectories().flatMap((entry) =>
    entry.kind === "link" ? ["--symlink", entry.target, entry.path] : ["--ro-bind", entry.path, entry.path],
  );
  const namespaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--as-pid-1"];
  try {
    await run(path, [...namespaces, ...root, "--", "/usr/bin/true"], { timeout: 10_000, env: {} });
    return path;
  } catch {
    return null;
  }
}

function kvmAccess(): CageTools["kvmAccess"] {
  try {
    const { mode, gid } = statSync("/dev/kvm");
    if ((mode & 0o006) === 0o006) return { kind: "everybody" };
    return (mode & 0o060) === 0o060 && gid !== 0 ? { kind: "group", gid } : { kind: "owner" };
  } catch {
    return { kind: "owner" };
  }
}

function probeKvmDevice(): HostFacts["kvmDevice"] {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return { usable: true, reason: "/dev/kvm can be opened" };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = missing
      ? "/dev/kvm does not exist on this host"
      : "/dev/kvm may not be opened by this user (group kvm)";
    return { usable: false, reason };
  }
}
