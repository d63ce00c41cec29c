import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "@mvm/sdk";
import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";
import { failure, root, sh, text, useScene } from "../support/scene.js";

const scene = useScene();
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await scene.sandbox();
});
const list = async (script: string): Promise<string[]> =>
  (await text(sandbox, script, root)).split(/\s+/).filter((word) => word !== "");

describe("G-01 the guest sees the golden list of devices and nothing else", () => {
  it("G-01 virtio: one console, two disks, one source of randomness", async () => {
    const devices = await text(
      sandbox,
      "cd /sys/bus/virtio/devices; for d in *; do echo $(cat $d/device) $(basename $(readlink $d/driver)); done",
      root,
    );
    expect(devices.split("\n").sort()).toEqual([
      "0x0002 virtio_blk",
      "0x0002 virtio_blk",
      "0x0003 virtio_console",
      "0x0004 virtio_rng",
    ]);
    expect(await list("cat /sys/class/virtio-ports/*/name")).toEqual(["mvm.agent.0", "mvm.shares.0"]);
    expect(await list("cat /sys/block/vda/serial; echo; cat /sys/block/vdb/serial")).toEqual(["mvm-base", "mvm-disk"]);
    expect(await list("cat /sys/block/vda/ro /sys/block/vdb/ro")).toEqual(["1", "0"]);
  });

  it("G-01 no PCI, USB, SCSI, sound, graphics, input, floppy or network device", async () => {
    expect(await list("ls /sys/bus/pci/devices")).toEqual([]);
    expect(await list("ls /sys/class/net")).toEqual(["lo"]);
    const classes = [
      "scsi_host",
      "usb_device",
      "sound",
      "drm",
      "input",
      "vhost",
      "tpm",
      "i2c-dev",
      "bluetooth",
      "vfio",
    ];
    expect(await list(`for c in ${classes.join(" ")}; do ls /sys/class/$c 2>/dev/null; done; true`)).toEqual([]);
    expect(
      await list("ls -d /sys/bus/usb/devices/* /dev/fd[0-9] /dev/sd* /dev/sr* /dev/fb* 2>/dev/null; true"),
    ).toEqual([]);
  });

  it("G-01 platform: what ACPI of the microvm machine names", async () => {
    const platform = await list("ls /sys/bus/platform/devices");
    // One virtio-mmio place (LNRO0005) for each virtio device, power button, processor container, GED.
    expect(platform.filter((name) => !name.startsWith("LNRO0005"))).toEqual([
      "ACPI0013:00",
      "PNP0C0C:00",
      "QEMU0002:00",
      "alarmtimer.0.auto",
      "pcspkr",
      "serial8250",
    ]);
    expect(platform.filter((name) => name.startsWith("LNRO0005"))).toHaveLength(4);
  });

  it("G-01 loaded modules are those of the disks, the file systems and the randomness", async () => {
    const modules = await list("cut -d' ' -f1 /proc/modules");
    expect(modules.sort()).toEqual(["erofs", "libcrc32c", "overlay", "virtio_blk", "virtio_mmio", "virtio_rng"]);
  });

  it("G-01 the firmware's file interface tells nothing about the host", async () => {
    const entries = await list(
      "ls /sys/firmware/qemu_fw_cfg/by_name 2>/dev/null; ls /sys/firmware/dmi/entries 2>/dev/null; true",
    );
    expect(entries.filter((name) => /opt|host/i.test(name))).toEqual([]);
    expect(await text(sandbox, "cat /proc/cmdline", root)).not.toMatch(/\/|mvm-home|sbx_/);
  });

  it("G-06 no virtualisation inside: no /dev/kvm, neither vmx nor svm", async () => {
    const { stdout } = await sh(sandbox, "ls /dev/kvm; grep -m1 ^flags /proc/cpuinfo", root);
    expect(stdout).not.toContain("/dev/kvm");
    expect(stdout.split(/\s+/).filter((flag) => flag === "vmx" || flag === "svm")).toEqual([]);
  });
});

describe("G-15 what root scribbles stays in its own sandbox", () => {
  /** What this sandbox was made from: its image, the kernels and its template. */
  const files = (): string[] => {
    const directories = ["images", "kernels", join("templates", sandbox.info.template!)];
    return directories
      .flatMap((name) =>
        readdirSync(join(scene.home, name), { recursive: true, encoding: "utf8" }).map((file) =>
          join(scene.home, name, file),
        ),
      )
      .filter((file) => statSync(file).isFile() && /python|template|kernel/.test(file));
  };
  const digest = async (file: string): Promise<string> => {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
    return hash.digest("hex");
  };
  const digests = async () =>
    Object.fromEntries(await Promise.all(files().map(async (file) => [file, await digest(file)] as const)));

  it("G-15 the base disk refuses to be written, even when the guest declares it writable", async () => {
    const before = await digests();
    expect(Object.keys(before).length).toBeGreaterThan(3);
    // The guest's /dev names no disks; root makes the names.
    await text(sandbox, "for d in vda vdb; do mknod /tmp/$d b $(tr : ' ' < /sys/block/$d/dev); done", root);
    const overwrite = "dd if=/dev/zero of=/tmp/vda bs=1M count=1 conv=notrunc";
    const direct = await sh(sandbox, `${overwrite},fsync`, root);
    expect([direct.exitCode, direct.stderr]).toEqual([1, expect.stringMatching(/not permitted|read-only/i)]);
    const declareWritable =
      "import fcntl,struct,os;f=os.open('/tmp/vda',os.O_RDONLY);fcntl.ioctl(f,0x125d,struct.pack('i',0))";
    const declared = await sh(sandbox, `python3 -c "${declareWritable}"; ${overwrite} oflag=direct`, root);
    expect(declared.exitCode).not.toBe(0);
    const scribbles = [
      "for f in /usr/bin/yes /etc/passwd /etc/os-release; do echo scribble > $f; done",
      "rm -rf /usr/share/doc",
      "printf '#!/bin/sh\necho trojan' > /usr/local/bin/python3; chmod +x /usr/local/bin/python3",
      "sync; dd if=/dev/urandom of=/tmp/vdb bs=1M count=8 seek=1 conv=notrunc,fsync",
    ];
    await sh(sandbox, scribbles.join("\n"), root);
    expect(await digests()).toEqual(before);
  });

  it("G-15 the next sandbox is clean", async () => {
    const next = await scene.sandbox();
    expect(await text(next, "python3 -c 'print(6*7)'; head -1 /etc/passwd; ls /usr/share | wc -l")).toMatch(
      /^42\nroot:[x*]:0:0:[^\n]*\n[1-9]/,
    );
    await next.destroy();
  });
});

describe("G-16 two sandboxes of one template differ where they must", () => {
  it("G-16 randomness, machine id, boot id, host name, and both clocks are right", async () => {
    const two = await Promise.all([scene.sandbox(), scene.sandbox()]);
    const script = [
      "head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'; echo",
      "python3 -c 'import os;print(os.getrandom(32).hex())'",
      "python3 -c 'import uuid;print(uuid.uuid4())'",
      "cat /etc/machine-id",
      "uname -n",
      "cat /proc/sys/kernel/random/boot_id",
      "python3 -c 'print(hash(\"x\"))'",
      "python3 -c 'import ctypes;print(ctypes.addressof(ctypes.c_int()))'",
    ];
    const [one, other] = await Promise.all(two.map(async (each) => (await text(each, script.join("\n"))).split("\n")));
    expect(one).toHaveLength(script.length);
    one!.forEach((line, index) => {
      expect(line, script[index]).not.toBe("");
      expect(line, script[index]).not.toBe(other![index]);
    });
    expect(one![3]).toMatch(/^[0-9a-f]{32}$/);
    for (const each of two) {
      const before = Date.now();
      const now = Number(await text(each, "date +%s%3N"));
      expect(now).toBeGreaterThan(before - 2_000);
      expect(now).toBeLessThan(Date.now() + 2_000);
      await each.destroy();
    }
  });

  it("G-16 a command of a clone cannot read what the template's kernel drew", async () => {
    const draws = await Promise.all(
      [0, 1, 2, 3].map(async () => {
        const each = await scene.sandbox();
        const drawn = await text(each, "head -c 16 /dev/random | od -An -tx1");
        await each.destroy();
        return drawn;
      }),
    );
    expect(new Set(draws).size).toBe(4);
  });
});

describe("G-05 isolation that is demanded is never silently missing", () => {
  it("G-05 without hardware virtualisation the call is refused and names KVM; with it the sandbox says so", async () => {
    const { body } = await scene.api.json("GET", "/v1/backends");
    const hardware = body.backends[0].isolation === "hardware";
    for (const spec of [{ requireIsolation: "hardware" }, { accel: "kvm" }] as const) {
      if (hardware) {
        const made = await scene.sandbox(spec);
        expect(made.info).toMatchObject({ accel: "kvm", isolation: "hardware" });
        await made.destroy();
      } else {
        const error = await failure(scene.sandbox(spec));
        expect([error.name, error.outcome]).toEqual(["BackendUnsupported", "not_started"]);
        expect(error.message + (error.hint ?? "")).toMatch(/kvm|hardware/i);
      }
    }
  });

  it("G-05 the CLI refuses with 78 and prints nothing on stdout", async () => {
    const { body } = await scene.api.json("GET", "/v1/backends");
    if (body.backends[0].isolation === "hardware") return;
    for (const option of [
      ["--require-isolation", "hardware"],
      ["--accel", "kvm"],
    ]) {
      const { code, stdout, stderr } = await cli(["run", ...option, "--", "echo", "ran"], { home: scene.home });
      expect([code, stdout.toString()], `${option.join(" ")}: ${stderr}`).toEqual([78, ""]);
      expect(stderr).toMatch(/kvm/i);
    }
  });

  it("G-05 an emulated sandbox calls itself emulated", async () => {
    const emulated = await scene.sandbox({ accel: "tcg" });
    expect(emulated.info).toMatchObject({ accel: "tcg", isolation: "emulated" });
    const { isolation } = await sh(emulated, "true");
    expect(isolation).toEqual({ backend: "qemu", accel: "tcg", isolation: "emulated" });
    await emulated.destroy();
  });
});
