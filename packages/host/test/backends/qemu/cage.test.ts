import { describe, expect, it } from "vitest";
import { buildCage, type CageInput } from "../../../src/backends/qemu/cage.js";

const input: CageInput = {
  tools: {
    bwrap: "/usr/bin/bwrap",
    prlimit: "/usr/bin/prlimit",
    setpriv: "/usr/bin/setpriv",
    root: true,
    seccomp: true,
    kvmAccess: { kind: "group", gid: 104 },
  },
  uid: 1_836_000_001,
  directory: "/home/me/mvm/sandboxes/sbx_1/vm",
  readable: [{ host: "/home/me/mvm/images/a.erofs", inside: "/image" }],
  maxFileBytes: 1024,
  needsKvm: false,
  systemDirectories: [
    { kind: "directory", path: "/usr" },
    { kind: "link", path: "/lib", target: "usr/lib" },
  ],
};

describe("buildCage", () => {
  it("binds exactly one place writable", () => {
    const { prefix } = buildCage(input);
    expect(prefix.filter((word) => /^--(dev-)?bind$/.test(word))).toEqual(["--bind"]);
    expect(prefix[prefix.indexOf("--bind") + 1]).toBe(input.directory);
  });

  it("hands the device to machines that need it only", () => {
    expect(buildCage({ ...input, needsKvm: true }).prefix).toContain("/dev/kvm");
    expect(buildCage(input).prefix).not.toContain("/dev/kvm");
  });

  it("drops user, groups and capabilities when the daemon is root", () => {
    const { prefix, layers } = buildCage(input);
    expect(prefix).toEqual(
      expect.arrayContaining(["--reuid=1836000001", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]),
    );
    expect(layers).toEqual(expect.arrayContaining(["uid:1836000001", "no-capabilities", "seccomp", "rlimits"]));
  });

  it("gives a machine under KVM the device's group and nothing else of it", () => {
    expect(buildCage({ ...input, needsKvm: true }).prefix).toContain("--groups=104");
    expect(buildCage(input).prefix).toContain("--clear-groups");
  });

  it("keeps root's uid, without capabilities, only where nobody else may open the device", () => {
    const { prefix, layers } = buildCage({
      ...input,
      needsKvm: true,
      tools: { ...input.tools, kvmAccess: { kind: "owner" } },
    });
    expect(prefix.join(" ")).not.toContain("--reuid");
    expect(prefix).toContain("--bounding-set=-all");
    expect(layers).toContain("no-capabilities");
    expect(layers.join()).not.toContain("uid:");
  });

  it("claims no layer that the host cannot give", () => {
    const { layers, prefix, directory } = buildCage({
      ...input,
      tools: { ...input.tools, bwrap: null, prlimit: null, setpriv: null, root: false, seccomp: false },
    });
    expect(layers).toEqual([]);
    expect(prefix).toEqual([]);
    expect(directory).toBe(input.directory);
  });

  it("shows readable files under their inside names only with a mount namespace", () => {
    expect(buildCage(input).inside("/home/me/mvm/images/a.erofs")).toBe("/image");
    expect(buildCage({ ...input, tools: { ...input.tools, bwrap: null } }).inside("/home/me/mvm/images/a.erofs")).toBe(
      "/home/me/mvm/images/a.erofs",
    );
  });
});
