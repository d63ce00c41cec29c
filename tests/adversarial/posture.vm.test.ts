import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import type { Sandbox } from "@mvm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Api } from "../support/api.js";
import { daemonEntry, machineProcesses } from "../support/daemon.js";
import { makeHome } from "../support/home.js";
import { text, until, useScene } from "../support/scene.js";

const asRoot = process.getuid?.() === 0;
const scene = useScene();
let sandbox: Sandbox;
let pid: number;
beforeAll(async () => {
  sandbox = await scene.sandbox({ name: "posture", env: { CANARY: "canary-environment-value" } });
  pid = scene.machine(sandbox)!;
});

const words = (file: string): string[] =>
  readFileSync(file, "utf8")
    .split("\0")
    .filter((word) => word !== "");
const status = (name: string): string =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "absent";

describe("G-02 the posture of a QEMU is what inspect claims of it", () => {
  it("G-02 seccomp, privileges, users, limits and namespaces, read from /proc", () => {
    const claimed = new Map(sandbox.info.confinement.map((layer) => [layer.name, layer.active]));
    const detail = (name: string): string =>
      sandbox.info.confinement.find((layer) => layer.name === name)?.detail ?? "";
    const own = (name: string): string => readlinkSync(`/proc/self/ns/${name}`);
    const theirs = (name: string): string => readlinkSync(`/proc/${pid}/ns/${name}`);
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    const limit = (name: string): string[] | undefined =>
      new RegExp(`^${name}\\s+(\\d+)\\s+(\\d+)`, "m").exec(limits)?.slice(1);
    const held: Record<string, () => boolean> = {
      seccomp: () => status("Seccomp") === "2",
      "no-new-privs": () => status("NoNewPrivs") === "1",
      "no-capabilities": () =>
        ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"].every((set) => /^0+$/.test(status(set))),
      uid: () =>
        status("Uid")
          .split(/\s+/)
          .every((id) => id === detail("uid")) && status("Groups") === "",
      rlimits: () =>
        limit("Max core file size")?.[1] === "0" &&
        Number(limit("Max open files")?.[1]) <= 1024 &&
        limit("Max file size") !== undefined,
      "mount-namespace": () => theirs("mnt") !== own("mnt"),
      "pid-namespace": () => theirs("pid") !== own("pid"),
      "net-namespace": () => theirs("net") !== own("net"),
      "ipc-namespace": () => theirs("ipc") !== own("ipc"),
      "uts-namespace": () => theirs("uts") !== own("uts"),
      "read-only-root": () => writableMounts().join() === "/vm",
      cgroup: () => {
        const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
        const own = groups.filter((group) => group.endsWith(`/mvm-${sandbox.id}`)).join();
        return detail("cgroup") === "v2" ? own.startsWith("0::") : /:memory:/.test(own) && /:pids:/.test(own);
      },
    };
    for (const [name, active] of claimed) {
      expect(held[name], `nobody checks the claim "${name}"`).toBeDefined();
      expect([name, held[name]!()]).toEqual([name, active]);
    }
    // What a root daemon on a host with bubblewrap must reach; elsewhere the claims above are all there is.
    const must = Object.keys(held).filter((name) => name !== "cgroup" || claimed.has(name));
    if (asRoot && claimed.get("mount-namespace")) expect([...claimed.keys()].sort()).toEqual(must.sort());
    if (asRoot && claimed.has("uid")) expect(status("Uid")).not.toMatch(/^0\s/);
  });

  it("G-02 it sees its own files, the system's programs and nothing of the host's", () => {
    const seen = mounts().map(({ place }) => place);
    expect(seen.filter((place) => /^\/(home|root|etc|var|tmp|srv|mnt|proc|sys|run)(\/|$)/.test(place))).toEqual([
      "/etc/ld.so.cache",
    ]);
    const own = join(scene.directory(sandbox), "vm");
    expect(
      mounts()
        .find(({ place }) => place === "/vm")
        ?.source.endsWith(`${sandbox.id}/vm`),
      own,
    ).toBe(true);
    expect(readdirSync(own).filter((name) => /state\.json|env\.json|\.log$/.test(name) && name !== "qemu.log")).toEqual(
      [],
    );
  });

  it("G-02 the network namespace holds a loopback and no address of the host", () => {
    const devices = readFileSync(`/proc/${pid}/net/dev`, "utf8")
      .split("\n")
      .slice(2)
      .map((line) => line.split(":")[0]!.trim());
    expect(devices.filter((name) => name !== "" && name !== "lo")).toEqual([]);
    expect(readFileSync(`/proc/${pid}/net/route`, "utf8").trim().split("\n")).toHaveLength(1);
  });

  it("G-02 every thread of it is under the filter", () => {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      expect(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")).toMatch(/^Seccomp:\s2$/m);
    }
  });
});

describe("G-04 what QEMU is told", () => {
  it("G-04 its environment is empty but for what bubblewrap sets", () => {
    expect(words(`/proc/${pid}/environ`).filter((entry) => !entry.startsWith("PWD="))).toEqual([]);
  });

  it("G-04 its command line holds neither environment nor names nor paths of the host", () => {
    const line = words(`/proc/${pid}/cmdline`).join(" ");
    expect(line).not.toContain("canary-environment-value");
    expect(line).not.toContain("posture");
    expect(line).not.toContain(scene.home);
    expect(line).not.toContain(process.env["HOME"] ?? "/root");
    expect(line).not.toMatch(/-netdev|-nic (?!none)|guestfwd|hostfwd|tcp:|virtfs|-usb|-vnc|-gdb|:telnet/);
  });

  it("G-04 its descriptors are its own files", () => {
    const own = /^(socket|pipe|anon_inode):|^\/dev\/null$|^\/vm\/|^\/(image|base|ram|state)$|^\/memfd:/;
    const strange = readdirSync(`/proc/${pid}/fd`)
      .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      .filter((name) => !own.test(name) && !name.startsWith(`${scene.directory(sandbox)}/vm/`));
    expect(strange).toEqual([]);
  });
});

describe("G-07 who can reach its sockets", () => {
  const unixSockets = (): string[] =>
    readFileSync("/proc/net/unix", "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.split(/\s+/)[7] ?? "")
      .filter((name) => name !== "");

  it("G-07 none in the abstract namespace, none on TCP, the named ones in directories of the owner alone", () => {
    expect(unixSockets().filter((name) => name.startsWith("@") && /mvm|qmp|agent|qemu|sbx/.test(name))).toEqual([]);
    for (const file of ["tcp", "tcp6", "udp", "udp6"]) {
      const inodes = readFileSync(`/proc/net/${file}`, "utf8")
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/)[9]);
      for (const process of [scene.daemon(), pid])
        expect(inodes.filter((inode) => socketsOf(process).includes(inode!))).toEqual([]);
    }
    const directory = join(scene.directory(sandbox), "vm");
    const sockets = readdirSync(directory).filter((name) => statSync(join(directory, name)).isSocket());
    expect(sockets.sort()).toEqual(["agent.sock", "console.sock", "qmp.sock", "shares.sock"]);
    for (const place of [scene.home, join(scene.home, "run"), scene.directory(sandbox)])
      expect(statSync(place).mode & 0o077, place).toBe(0);
  });

  it.runIf(asRoot)("G-07 S-02 another user reaches neither the machine's sockets nor the daemon's", () => {
    const targets = ["agent.sock", "qmp.sock", "console.sock", "shares.sock"].map((name) =>
      join(scene.directory(sandbox), "vm", name),
    );
    targets.push(join(scene.home, "run", "mvmd.sock"));
    for (const target of targets) {
      const script = 'print IO::Socket::UNIX->new($ARGV[0]) ? "connected" : $! + 0';
      const stranger = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "perl",
        "-MIO::Socket::UNIX",
        "-e",
        script,
        target,
      ];
      const { stdout } = spawnSync("setpriv", stranger);
      expect([dirname(target), stdout.toString().trim()]).toEqual([dirname(target), "13"]);
    }
  });
});

describe("G-03 descriptors that happen to be open when the daemon starts", () => {
  let made: ReturnType<typeof makeHome>;
  let server: Server;
  let daemon: ReturnType<typeof spawn>;
  beforeAll(async () => {
    made = makeHome();
    writeFileSync(join(made.home, "canary"), "canary");
    server = createServer().listen(0, "127.0.0.1");
    await new Promise((listening) => server.once("listening", listening));
    for (const name of ["run", "logs"]) mkdirSync(join(made.home, name), { recursive: true, mode: 0o700 });
    const log = openSync(join(made.home, "logs", "mvmd.log"), "a", 0o600);
    const socket = (server as unknown as { _handle: { fd: number } })._handle.fd;
    const script = `exec 100<"$1" 200<&3 3<&-; shift; exec "$@"`;
    const command = ["flock", "--no-fork", "-n", "-E", "75", made.home, process.execPath, daemonEntry];
    daemon = spawn("bash", ["-c", script, "-", join(made.home, "canary"), ...command], {
      stdio: ["ignore", log, log, socket],
      detached: true,
      env: { PATH: process.env["PATH"], HOME: made.home, MVM_HOME: made.home },
    });
    closeSync(log);
    const api = new Api(made.home);
    await until(
      "the daemon serves",
      async () => (await api.json("GET", "/v1/version").catch(() => undefined))?.status === 200,
    );
  });
  afterAll(() => {
    made.remove();
    server.close();
  });

  it("G-03 reach neither QEMU nor any helper of the daemon", async () => {
    const inode = readlinkSync(`/proc/self/fd/${(server as unknown as { _handle: { fd: number } })._handle.fd}`);
    const api = new Api(made.home);
    const { info, lease } = await api.create();
    const leaked = (process: number): string[] =>
      readdirSync(`/proc/${process}/fd`)
        .map((fd) => readlinkSync(`/proc/${process}/fd/${fd}`))
        .filter((name) => name === inode || name.endsWith("/canary"));
    const processes = [...machineProcesses(made.home).map((machine) => machine.pid), ...childrenOf(daemon.pid!)];
    expect(processes.length).toBeGreaterThan(1);
    for (const process of new Set(processes))
      expect([words(`/proc/${process}/cmdline`)[0], leaked(process)]).toEqual([expect.anything(), []]);
    expect((await api.exec(info.id, ["echo", "works"])).stdout).toBe("works\n");
    lease.abort();
  });
});

it("G-02 the sandbox still works after having been looked at", async () => {
  expect(await text(sandbox, "echo $CANARY")).toBe("canary-environment-value");
});

function mounts(): { place: string; source: string; writable: boolean; type: string }[] {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [before, after] = line.split(" - ");
      const fields = before!.split(" ");
      return {
        source: fields[3]!,
        place: fields[4]!,
        writable: fields[5]!.split(",")[0] === "rw",
        type: after!.split(" ")[0]!,
      };
    });
}

/** Places it may write to, memory file systems of its own aside: those hold nothing of the host. */
function writableMounts(): string[] {
  return mounts()
    .filter(
      ({ writable, type, place }) =>
        writable && !["devpts", "mqueue", "devtmpfs"].includes(type) && !/^\/dev(\/|$)/.test(place),
    )
    .filter(({ type, place }) => !(type === "tmpfs" && place === "/"))
    .map(({ place }) => place);
}

function socketsOf(process: number): string[] {
  return readdirSync(`/proc/${process}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${process}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((process) => {
      try {
        const stat = readFileSync(`/proc/${process}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
      } catch {
        return false;
      }
    });
}
