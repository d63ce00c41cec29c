import type { Accelerator } from "../backend.js";

/** Where QEMU finds its files, as QEMU itself sees them (inside the cage). */
export interface QemuPaths {
  readonly binary: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly image: string;
  /**
   * What the guest writes to: a qcow2 over the read-only raw `base`, or the raw file itself while a template is made.
   * Sockets are named relative to the working directory, the sandbox's own.
   */
  readonly disk:
    | { readonly kind: "raw"; readonly path: string }
    | { readonly kind: "overlay"; readonly path: string; readonly base: string };
  /** Guest memory as a file; undefined: anonymous memory. */
  readonly ram?: string;
}

/** How the machine comes to life. */
export type StartMode =
  /**
   * Boots the kernel. With a RAM file the memory is shared with it: the making of a template. `tscKhz` is the frequency
   * of the host's time stamp counter, which an emulated kernel cannot measure reliably; null under kvm.
   */
  | { readonly kind: "boot"; readonly tscKhz: number | null }
  /**
   * Waits to be told its device state; the RAM file is mapped privately from a read-only descriptor. `offset` is where the
   * memory begins in it, 0 when absent. Bytes.
   */
  | { readonly kind: "restore"; readonly offset?: number };

export interface QemuCommandInput {
  readonly cookie: string;
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly paths: QemuPaths;
  readonly mode: StartMode;
  /** What the probes found this QEMU able to do. */
  readonly features: QemuFeatures;
  readonly debug?: boolean;
}

export interface QemuFeatures {
  readonly seccomp: boolean;
  readonly ioUring: boolean;
}

/**
 * CPU that a template is made for. TCG's `max` changes with QEMU, which is part of the template key. No guest gets
 * virtualisation of its own: nested machines are the host kernel's (or QEMU's) most intricate code.
 */
export function cpuModel(accel: Accelerator): string {
  return `${accel === "kvm" ? "host" : "max"},vmx=off,svm=off`;
}

/** Names of the sockets in the sandbox's directory. */
export const sockets = {
  qmp: "qmp.sock",
  agent: "agent.sock",
  console: "console.sock",
  shares: "shares.sock",
} as const;

/** Names of the virtio-serial ports and serials of the disks; the guest finds them by these (docs/channel.md). */
export const guestNames = {
  port: "mvm.agent.0",
  shares: "mvm.shares.0",
  image: "mvm-base",
  disk: "mvm-disk",
} as const;

/**
 * The whole QEMU command line. Pure: everything that differs between hosts comes in as data.
 * The device list is the guest's attack surface and the template's topology: a change here makes every template stale.
 */
export function qemuCommandLine(input: QemuCommandInput): readonly string[] {
  return [
    input.paths.binary,
    ...["-name", `guest=${input.cookie}`, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...machine(input),
    ...kernel(input),
    ...(input.features.seccomp
      ? ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
      : []),
    ...serial(),
    ...disks(input),
    ...["-object", "rng-builtin,id=rng0", "-device", "virtio-rng-device,rng=rng0,max-bytes=1024,period=1000"],
    ...["-nic", "none"],
    ...start(input.mode),
  ];
}

function machine({ accel, cpus, memoryMb: asked, paths, mode }: QemuCommandInput): string[] {
  const memoryMb = machineMemoryMb(asked);
  // Under TCG the kernel has no timer without pit, pic and rtc, and hangs for ever.
  const timers = accel === "kvm" ? "" : ",pit=on,pic=on,rtc=on";
  // Debian's kernels find virtio-mmio devices through ACPI only, and with ACPI the firmware needs its option ROM to load them.
  const accelerator = accel === "kvm" ? "kvm" : `tcg,thread=${cpus > 1 ? "multi" : "single"},tb-size=128`;
  const options = `microvm,acpi=on,isa-serial=on,dump-guest-core=off${timers},memory-backend=mem`;
  return [
    ...["-accel", accelerator, "-cpu", cpuModel(accel), "-M", options, "-m", `${memoryMb}M`, "-smp", `${cpus}`],
    ...["-object", memoryBackend(paths.ram, memoryMb, mode)],
  ];
}

/**
 * Of exactly 2 GiB, QEMU gives the end to the initramfs and to its ACPI tables both, and the kernel resets before it can say a
 * word: such a machine has one MiB more.
 */
export function machineMemoryMb(memoryMb: number): number {
  return memoryMb === 2048 ? 2049 : memoryMb;
}

function memoryBackend(path: string | undefined, memoryMb: number, mode: StartMode): string {
  // Of the same name: a machine that was captured goes on in one whose memory is a file.
  if (path === undefined) return `memory-backend-ram,id=mem,size=${memoryMb}M`;
  const file = `memory-backend-file,id=mem,size=${memoryMb}M,mem-path=${path}`;
  // readonly=on opens the file read-only and rom=off still gives writable private pages (QEMU ≥ 9): no machine
  // can write into the template that every later sandbox starts from.
  if (mode.kind === "boot") return `${file},share=on`;
  const offset = mode.offset === undefined ? "" : `,offset=${mode.offset}`;
  return `${file}${offset},share=off,readonly=on,rom=off`;
}

function kernel({ paths, mode, debug }: QemuCommandInput): string[] {
  if (mode.kind === "restore") return [];
  const loud = debug ? "loglevel=7 mvm.debug=1" : "quiet loglevel=3";
  const clock = mode.tscKhz === null ? "" : ` tsc=reliable tsc_early_khz=${mode.tscKhz}`;
  const append = `console=ttyS0 reboot=t panic=-1 no_timer_check nowatchdog ${loud}${clock}`;
  return ["-kernel", paths.kernel, "-initrd", paths.initramfs, "-append", append];
}

function serial(): string[] {
  const socket = (id: string, path: string): string[] => [
    "-chardev",
    `socket,id=${id},path=${path},server=on,wait=off`,
  ];
  return [
    ...socket("qmp", sockets.qmp),
    ...["-mon", "chardev=qmp,mode=control"],
    ...socket("console", sockets.console),
    ...["-serial", "chardev:console"],
    ...socket("agent", sockets.agent),
    ...socket("shares", sockets.shares),
    ...["-device", "virtio-serial-device,max_ports=3"],
    ...["-device", `virtserialport,chardev=agent,name=${guestNames.port},nr=1`],
    ...["-device", `virtserialport,chardev=shares,name=${guestNames.shares},nr=2`],
  ];
}

function disks({ paths, features }: QemuCommandInput): string[] {
  const file = `driver=file,aio=${features.ioUring ? "io_uring" : "threads"}`;
  // Formats are explicit: QEMU never probes what a guest may have written into a header. What is shared between
  // machines is opened read-only and without locks.
  const shared = (name: string, path: string): string[] => [
    ...["-blockdev", `${file},node-name=${name}-file,filename=${path},read-only=on,locking=off`],
    ...["-blockdev", `driver=raw,node-name=${name},file=${name}-file,read-only=on`],
  ];
  // The guest's flushes are not passed on: a disk outlives its machine only through an orderly stop or snapshot,
  // and the host's page cache survives the death of QEMU.
  const own = (path: string): string[] => [
    ...["-blockdev", `${file},node-name=disk-file,filename=${path},discard=unmap,cache.no-flush=on`],
  ];
  const { disk } = paths;
  return [
    ...shared("image", paths.image),
    ...["-device", `virtio-blk-device,drive=image,serial=${guestNames.image}`],
    ...(disk.kind === "raw"
      ? [...own(disk.path), "-blockdev", "driver=raw,node-name=disk,file=disk-file,discard=unmap,cache.no-flush=on"]
      : [
          ...shared("base", disk.base),
          ...own(disk.path),
          ...["-blockdev", "driver=qcow2,node-name=disk,file=disk-file,backing=base,discard=unmap,cache.no-flush=on"],
        ]),
    ...["-device", `virtio-blk-device,drive=disk,serial=${guestNames.disk}`],
  ];
}

function start(mode: StartMode): string[] {
  // The state's name comes over the monitor, behind the capability it needs; that has no spelling on the command line.
  return mode.kind === "boot" ? [] : ["-incoming", "defer"];
}
