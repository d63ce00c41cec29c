import { describe, expect, it } from "vitest";
import { qemuCommandLine, type QemuCommandInput } from "../../../src/backends/qemu/command-line.js";

const restore: QemuCommandInput = {
  cookie: "sbx_1",
  accel: "tcg",
  cpus: 1,
  memoryMb: 512,
  paths: {
    binary: "/q",
    kernel: "/kernel",
    initramfs: "/initramfs",
    image: "/image",
    ram: "/ram",
    disk: { kind: "overlay", path: "disk.qcow2", base: "/base" },
  },
  mode: { kind: "restore" },
  features: { seccomp: true, ioUring: false },
};
const boot: QemuCommandInput = { ...restore, mode: { kind: "boot", tscKhz: 2_599_998 } };
const value = (line: readonly string[], flag: string): string[] =>
  line.flatMap((word, at) => (line[at - 1] === flag ? [word] : []));

describe("qemuCommandLine", () => {
  it("gives the guest exactly two disks, two serial ports, one console and one source of randomness", () => {
    const devices = value(qemuCommandLine(restore), "-device").map((device) => device.split(",")[0]);
    expect(devices).toEqual([
      "virtio-serial-device",
      "virtserialport",
      "virtserialport",
      "virtio-blk-device",
      "virtio-blk-device",
      "virtio-rng-device",
    ]);
    expect(value(qemuCommandLine(restore), "-nic")).toEqual(["none"]);
  });

  it("boots and restores a machine of exactly 2 GiB, which QEMU could not boot, with one MiB more", () => {
    for (const of of [boot, restore]) {
      const line = qemuCommandLine({ ...of, memoryMb: 2048 });
      expect(value(line, "-m")).toEqual(["2049M"]);
      expect(value(line, "-object")[0]).toContain("size=2049M");
      expect(value(qemuCommandLine({ ...of, memoryMb: 2047 }), "-m")).toEqual(["2047M"]);
    }
  });

  it("has the same devices in the same order when a template is made and when it is restored", () => {
    expect(value(qemuCommandLine(boot), "-device")).toEqual(value(qemuCommandLine(restore), "-device"));
    expect(value(qemuCommandLine(boot), "-M")).toEqual(value(qemuCommandLine(restore), "-M"));
  });

  it("never lets a restored machine write into the template's memory, disk or image", () => {
    const line = qemuCommandLine(restore);
    expect(value(line, "-object").find((object) => object.includes("mem-path"))).toContain(
      "share=off,readonly=on,rom=off",
    );
    for (const node of value(line, "-blockdev").filter((blockdev) => /filename=\/(image|base)/.test(blockdev))) {
      expect(node).toContain("read-only=on");
    }
  });

  it("names every disk format, so that nothing a guest writes is probed", () => {
    for (const node of value(qemuCommandLine(restore), "-blockdev")) expect(node).toMatch(/^driver=(file|raw|qcow2),/);
  });

  it("keeps the timers that emulated guests hang without", () => {
    expect(value(qemuCommandLine(restore), "-M")[0]).toMatch(/pit=on,pic=on,rtc=on/);
    expect(value(qemuCommandLine({ ...restore, accel: "kvm" }), "-M")[0]).not.toMatch(/pit=/);
  });

  it("tells an emulated kernel the frequency of its counter", () => {
    expect(value(qemuCommandLine(boot), "-append")[0]).toContain("tsc_early_khz=2599998");
    expect(value(qemuCommandLine({ ...boot, mode: { kind: "boot", tscKhz: null } }), "-append")[0]).not.toContain(
      "tsc",
    );
  });

  it("asks for the seccomp filter exactly where the probe found it working", () => {
    expect(qemuCommandLine(restore)).toContain("-sandbox");
    expect(qemuCommandLine({ ...restore, features: { seccomp: false, ioUring: false } })).not.toContain("-sandbox");
  });

  it("loads no kernel when it restores, and waits for state only then", () => {
    expect(qemuCommandLine(restore)).not.toContain("-kernel");
    expect(qemuCommandLine(boot)).not.toContain("-incoming");
  });
});
