import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { release } from "node:os";
import type { Readable } from "node:stream";
import type { HostFacts } from "./probe.js";
import { createOverlay } from "./disks.js";
import { type Guard, helperCookie, removeWithMachines } from "./helpers.js";
import { launch, type LaunchHost } from "./launch.js";
import { lastWords } from "./process.js";

/** Whether guests really boot under KVM here, and how that is known. */
export interface KvmVerdict {
  readonly usable: boolean;
  readonly reason: string;
}

/** The real guest kernel prints its first line within half a second on hardware; this is when hope ends. */
const firstLineMs = 5_000;
const probePrefix = "kvm-probe-";

/**
 * Boots the real kernel under KVM until it prints something. That `/dev/kvm` opens proves nothing: nested or
 * restricted KVM can create machines whose guests never run an instruction. The verdict is kept under the state root.
 */
export class KvmProbe {
  readonly #home: string;
  readonly #guard: Guard;
  #verdict: Promise<KvmVerdict> | undefined;

  constructor(home: string, guard: Guard) {
    this.#home = home;
    this.#guard = guard;
  }

  /** Ends and removes what a killed probe left behind. */
  async sweep(): Promise<void> {
    const root = join(this.#home, "tmp");
    const names = await readdir(root).catch(() => [] as string[]);
    await removeWithMachines(names.filter((name) => name.startsWith(probePrefix)).map((name) => join(root, name)));
  }

  /** @param boot kernel files; needed only when no kept verdict fits this host */
  verdict(
    facts: HostFacts,
    boot: () => Promise<{ kernel: string; initramfs: string }>,
    refresh = false,
  ): Promise<KvmVerdict> {
    if (refresh) this.#verdict = undefined;
    this.#verdict ??= this.#find(facts, boot, refresh).catch((error: unknown) => {
      this.#verdict = undefined;
      throw error;
    });
    return this.#verdict;
  }

  async #find(
    facts: HostFacts,
    boot: () => Promise<{ kernel: string; initramfs: string }>,
    refresh: boolean,
  ): Promise<KvmVerdict> {
    if (!facts.kvmDevice.usable || facts.qemu === null) return facts.kvmDevice;
    const key = createHash("sha256")
      .update(JSON.stringify([release(), facts.qemu, hostCpu()]))
      .digest("hex")
      .slice(0, 32);
    const file = join(this.#home, "cache", "kvm.json");
    const kept = refresh ? undefined : await readKept(file, key);
    if (kept !== undefined) return kept;
    const verdict = await this.#tryBoot(facts, await boot());
    await mkdir(join(this.#home, "cache"), { recursive: true, mode: 0o700 });
    const temporary = `${file}.${randomBytes(4).toString("hex")}`;
    await writeFile(temporary, JSON.stringify({ key, ...verdict }), { mode: 0o600 });
    await rename(temporary, file);
    return verdict;
  }

  async #tryBoot(facts: HostFacts, files: { kernel: string; initramfs: string }): Promise<KvmVerdict> {
    const directory = join(this.#home, "tmp", `${probePrefix}${randomBytes(4).toString("hex")}`);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      const disk = join(directory, "disk.qcow2");
      await createOverlay(disk, 1);
      const host: LaunchHost = { binary: facts.qemu!.path, features: facts.features, cageTools: facts.cageTools };
      const machine = await launch(host, {
        ...{ cookie: helperCookie(directory), accel: "kvm", cpus: 1, memoryMb: 128, diskMb: 1, directory },
        paths: {
          kernel: files.kernel,
          initramfs: files.initramfs,
          image: files.initramfs,
          disk: { kind: "overlay", path: disk, base: files.initramfs },
        },
        ...{ mode: { kind: "boot", tscKhz: null }, uid: 65_534, start: "cold", template: null, debug: true },
        onSpawned: (identity) => Promise.resolve(this.#guard.add(identity)),
      });
      try {
        const end = await Promise.race([
          kernelSpeaks(machine.console).then(() => "spoke" as const),
          machine.exited.then(() => "ended" as const),
          new Promise<"silent">((resolve) => setTimeout(() => resolve("silent"), firstLineMs)),
        ]);
        if (end === "spoke") return { usable: true, reason: "the guest kernel boots under KVM" };
        if (end === "ended")
          return { usable: false, reason: `/dev/kvm opens, but QEMU ends: ${await lastWords(directory)}` };
        return {
          usable: false,
          reason: `/dev/kvm opens, but the guest kernel prints nothing within ${firstLineMs / 1000} s`,
        };
      } finally {
        await machine.kill();
        this.#guard.remove(machine.identity);
      }
    } catch (error) {
      return {
        usable: false,
        reason: `QEMU does not start under KVM: ${error instanceof Error ? error.message.slice(0, 300) : "unknown"}`,
      };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/**
 * Resolves at the kernel's own first line. What the firmware and the kernel's real-mode stub print before it comes out
 * even where KVM then fails on the first instruction of the kernel proper.
 */
function kernelSpeaks(console: Readable): Promise<void> {
  return new Promise((resolve) => {
    let text = "";
    console.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString("latin1")).slice(-65_536);
      if (text.includes("Linux version ")) resolve();
    });
  });
}

async function readKept(file: string, key: string): Promise<KvmVerdict | undefined> {
  try {
    const kept = JSON.parse(await readFile(file, "utf8")) as { key?: unknown; usable?: unknown; reason?: unknown };
    if (kept.key !== key || typeof kept.usable !== "boolean" || typeof kept.reason !== "string") return undefined;
    return { usable: kept.usable, reason: kept.reason };
  } catch {
    return undefined;
  }
}

/** Model and flags of the first processor; part of what decides whether guests boot, and of a KVM template's key. */
export function hostCpu(): string {
  const text = readFileSync("/proc/cpuinfo", "utf8").split("\n\n")[0] ?? "";
  return (text.match(/^(?:model name|flags|microcode)\s*:.*$/gm) ?? []).join("\n");
}
