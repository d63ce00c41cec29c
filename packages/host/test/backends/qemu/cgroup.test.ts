import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cgroupCandidates, limitFiles, machineLimits, probeCgroup } from "../../../src/backends/qemu/cgroup.js";
import { MachineGroups } from "../../../src/backends/qemu/machine-groups.js";

const v1 = [
  "30 20 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory",
  "31 20 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids",
].join("\n");
const v2 = "29 20 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

describe("where groups may be made", () => {
  it("version 1: below the process's own group of each hierarchy", () => {
    expect(cgroupCandidates(v1, "8:pids:/\n4:memory:/a/b\n0::/\n")).toEqual([
      { version: 1, directories: ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids"] },
    ]);
  });

  it("version 2: beside the process's own group, since that one holds processes", () => {
    expect(cgroupCandidates(v2, "0::/user.slice/user@1000.service/app.slice/mvmd.scope\n")).toEqual([
      { version: 2, directories: ["/sys/fs/cgroup/user.slice/user@1000.service/app.slice"] },
    ]);
    expect(cgroupCandidates(v2, "0::/\n")).toEqual([{ version: 2, directories: ["/sys/fs/cgroup"] }]);
  });

  it("a container that sees a part of the hierarchy stays in it", () => {
    const part = v2.replace(" / /sys", " /docker/x /sys");
    expect(cgroupCandidates(part, "0::/docker/x/daemon\n")).toEqual([{ version: 2, directories: ["/sys/fs/cgroup"] }]);
    expect(cgroupCandidates(part, "0::/elsewhere\n")).toEqual([{ version: 2, directories: ["/sys/fs/cgroup"] }]);
  });

  it("nothing where nothing, or only half of it, is mounted", () => {
    expect(cgroupCandidates("", "")).toEqual([]);
    expect(cgroupCandidates(v1.split("\n")[0]!, "4:memory:/\n")).toEqual([]);
    expect(cgroupCandidates("nonsense\n\n - - -\n", ":::\n")).toEqual([]);
  });

  it("the limits have the names of their version", () => {
    const limits = machineLimits({ memoryMb: 512, cpus: 2 });
    expect(limits).toEqual({ memoryBytes: 1024 ** 3, processes: 128 });
    expect(limitFiles(1, limits)[0]).toEqual(["memory.limit_in_bytes", String(1024 ** 3)]);
    expect(limitFiles(2, limits)).toEqual([
      ["memory.max", String(1024 ** 3)],
      ["pids.max", "128"],
    ]);
  });
});

describe.skipIf(probeCgroup().place === null)("a machine's group", () => {
  const place = probeCgroup().place!;
  const limits = machineLimits({ memoryMb: 64, cpus: 1 });
  let home: string;
  let name: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "mvm-cgroup-"));
    name = `test-${process.pid}-${Date.now()}`;
    mkdirSync(join(home, "run"));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));
  const directories = () => place.directories.map((path) => join(path, `mvm-${name}`));
  const records = () => readdirSync(join(home, "run/cgroups"));

  it("has its limits, holds its process, and is gone after it; a sweep spares it while it lives", async () => {
    const groups = new MachineGroups(home);
    const group = (await groups.make(place, name, limits))!;
    const child = spawn("sleep", ["60"]);
    try {
      expect(await group.add(child.pid!)).toBe(true);
      expect(readFileSync(`/proc/${child.pid}/cgroup`, "utf8")).toContain(`/mvm-${name}`);
      const max = directories()
        .map((path) => join(path, "pids.max"))
        .find((path) => existsSync(path))!;
      expect(readFileSync(max, "utf8").trim()).toBe(String(limits.processes));
      await new MachineGroups(home).sweep();
      expect(records()).toEqual([name]);
      expect(await group.ranOutOfMemory()).toBe(false);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await (await new MachineGroups(home).find(name))!.remove();
    expect([directories().filter((path) => existsSync(path)), records()]).toEqual([[], []]);
  });

  it("is swept away when its daemon died before a process was in it, and so is a record nobody understands", async () => {
    const groups = new MachineGroups(home);
    await groups.make(place, name, limits);
    writeFileSync(join(home, "run/cgroups/other"), JSON.stringify({ version: 1, directories: ["/tmp"] }));
    writeFileSync(join(home, "run/cgroups/torn"), "{");
    await groups.sweep();
    expect([directories().filter((path) => existsSync(path)), records()]).toEqual([[], []]);
  });

  it("is no group where the kernel refuses one", async () => {
    const nowhere = { version: place.version, directories: ["/proc/self"] } as const;
    expect(await new MachineGroups(home).make(nowhere, name, limits)).toBeUndefined();
  });
});
