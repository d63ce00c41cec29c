import { chmod, copyFile, link, mkdir, rm, stat } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import { BackendUnsupported, VmDependencyError, VmQemuCrashError } from "@mvm/protocol";
import type {
  Accelerator,
  Backend,
  BackendReport,
  Machine,
  MachineIdentity,
  MachineSpec,
  StartOptions,
} from "../backend.js";
import { isAlive } from "../../processes/identity.js";
import { cpuModel, qemuCommandLine, sockets } from "./command-line.js";
import { tryConnect } from "./connect.js";
import { hostCpu, KvmProbe } from "./kvm-verdict.js";
import type { Guard } from "./helpers.js";
import { launch, type LaunchHost } from "./launch.js";
import { QemuMachine } from "./machine.js";
import { makeTemplate } from "./make-template.js";
import { machineFiles } from "./paths.js";
import { type HostFacts, oldestQemu, probeHost } from "./probe.js";
import { foundProcess } from "./process.js";
import { qemuReport } from "./report.js";
import type { TemplateInputs } from "./template-key.js";
import { type Template, TemplateStore } from "./template-store.js";
import { bootTscKhz } from "./tsc.js";
import { UidPool } from "./uids.js";

/** Kernel and initramfs with their digests; from `@mvm/images`. */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  readonly kernelSha256: string;
  readonly initramfsSha256: string;
  /** The agent's binary, which also measures the host's time stamp counter. */
  readonly agent: string;
}

export interface QemuBackendOptions {
  /** The state root. */
  readonly home: string;
  /** Verified boot files, made on first need; with `onlyIfPresent` it fails instead of fetching anything. */
  readonly bootFiles: (onlyIfPresent?: boolean) => Promise<BootFiles>;
  /** Programs a template of this image runs before it is saved. */
  readonly warmUp: (imageName: string) => readonly (readonly string[])[];
  /** Told of the machines that belong to no sandbox: they die with the daemon. */
  readonly guard: Guard;
}

/** Machines in QEMU: `-M microvm`, no network card, started from templates. */
export function createQemuBackend(options: QemuBackendOptions): Backend {
  return new QemuBackend(options);
}

class QemuBackend implements Backend {
  readonly name = "qemu";
  readonly #options: QemuBackendOptions;
  readonly #templates: TemplateStore;
  readonly #kvm: KvmProbe;
  readonly #uids = new UidPool();
  #facts: Promise<HostFacts> | undefined;

  constructor(options: QemuBackendOptions) {
    this.#options = options;
    this.#templates = new TemplateStore(options.home);
    this.#kvm = new KvmProbe(options.home, options.guard);
  }

  async probe(options: { refresh?: boolean } = {}): Promise<BackendReport> {
    if (options.refresh === true) this.#facts = undefined;
    const facts = await this.#hostFacts();
    const present = (): Promise<BootFiles> => this.#options.bootFiles(true);
    const kvm = await this.#kvm.verdict(facts, present, options.refresh).catch((error: unknown) => ({
      usable: false,
      reason: `not probed: ${error instanceof Error ? error.message : "unknown"}`,
    }));
    return qemuReport(facts, kvm);
  }

  async recover(): Promise<void> {
    await Promise.all([this.#templates.sweep(), this.#kvm.sweep()]);
  }

  async start(spec: MachineSpec, options: StartOptions = {}): Promise<Machine> {
    const begin = performance.now();
    options.signal?.throwIfAborted();
    const facts = await this.#usableFacts();
    const accel = await this.#accelerator(spec.accel, facts, options);
    const boot = await this.#options.bootFiles();
    const host: LaunchHost = { binary: facts.qemu.path, features: facts.features, cageTools: facts.cageTools };
    const inputs = this.#templateInputs(spec, accel, facts, boot);
    const make = (template: Template["files"]): Promise<void> =>
      makeTemplate(
        host,
        {
          ...{ ...spec, ...boot, accel, image: spec.image.path },
          ...{ uid: this.#uids.templateUid, warmUp: inputs.warmUp, guard: this.#options.guard },
        },
        template,
        options,
      );
    const ensure = () => this.#templates.ensure(inputs, make, options.signal);
    const template = await ensure();
    const prepared = performance.now() - begin;
    try {
      return await this.#launch(host, spec, accel, boot, template, prepared, options);
    } catch (error) {
      // A QEMU that ends while it loads means that this template does not fit it after all: made anew once.
      if (!(error instanceof VmQemuCrashError) || spec.keepDisk === true) throw error;
      await this.#templates.discard(template.key);
      return this.#launch(host, spec, accel, boot, await ensure(), prepared, options);
    }
  }

  async adopt(identity: MachineIdentity, sandboxDirectory: string): Promise<Machine | undefined> {
    if (!isAlive(identity)) return undefined;
    const { directory } = machineFiles(sandboxDirectory);
    this.#uids.take(
      await stat(directory).then(
        (found) => found.uid,
        () => 0,
      ),
    );
    const process = foundProcess(identity);
    const [channel, console] = await Promise.all([
      tryConnect(join(directory, sockets.agent)),
      tryConnect(join(directory, sockets.console)),
    ]);
    if (channel === undefined || console === undefined) {
      await process.kill();
      return undefined;
    }
    return new QemuMachine({
      process,
      identity,
      directory,
      channel,
      console,
      start: "adopted",
      timings: {},
      confinement: [],
    });
  }

  async reap(identity: MachineIdentity): Promise<boolean> {
    if (!isAlive(identity)) return false;
    await foundProcess(identity).kill();
    return true;
  }

  #hostFacts(): Promise<HostFacts> {
    this.#facts ??= probeHost();
    return this.#facts;
  }

  async #usableFacts(): Promise<HostFacts & { qemu: NonNullable<HostFacts["qemu"]> }> {
    const facts = await this.#hostFacts();
    const { qemu } = facts;
    if (qemu === null) {
      this.#facts = undefined; // it may be installed at any time
      throw new VmDependencyError({
        message: "Cannot start a machine: QEMU is not installed",
        hint: "Run `mvmctl setup`",
        outcome: "not_started",
      });
    }
    if (Number.parseInt(qemu.version, 10) < oldestQemu) {
      this.#facts = undefined;
      const message = `Cannot start a machine: QEMU ${qemu.version} is installed and ${oldestQemu} or newer is needed`;
      throw new VmDependencyError({
        message,
        hint: "Run `mvmctl setup`; Debian 12 has it in backports",
        outcome: "not_started",
      });
    }
    return { ...facts, qemu };
  }

  async #accelerator(asked: MachineSpec["accel"], facts: HostFacts, options: StartOptions): Promise<Accelerator> {
    if (asked === "tcg") return "tcg";
    const kvm = await this.#kvm.verdict(facts, this.#options.bootFiles);
    if (kvm.usable) return "kvm";
    if (asked === "kvm") {
      throw new BackendUnsupported({
        message: `Cannot use KVM on this host: ${kvm.reason}`,
        backend: "qemu",
        feature: "accel:kvm",
        outcome: "not_started",
      });
    }
    options.onNotice?.(`KVM cannot be used (${kvm.reason}); falling back to emulation (tcg)`);
    return "tcg";
  }

  #templateInputs(
    spec: MachineSpec,
    accel: Accelerator,
    facts: HostFacts & { qemu: NonNullable<HostFacts["qemu"]> },
    boot: BootFiles,
  ): TemplateInputs {
    const { cpus, memoryMb, diskMb } = spec;
    const names = {
      binary: "",
      kernel: "",
      initramfs: "",
      image: "",
      ram: "",
      disk: { kind: "overlay", path: "", base: "" },
    } as const;
    const line = { cookie: "", accel, cpus, memoryMb, paths: names, features: facts.features };
    return {
      format: 1,
      imageDigest: spec.image.digest,
      kernelSha256: boot.kernelSha256,
      initramfsSha256: boot.initramfsSha256,
      ...{ accel, cpus, memoryMb, diskMb },
      cpuModel: cpuModel(accel),
      qemu: { version: facts.qemu.version, size: facts.qemu.size, mtimeMs: facts.qemu.mtimeMs },
      hostCpu: accel === "kvm" ? hostCpu() : null,
      bootLine: qemuCommandLine({ ...line, mode: { kind: "boot", tscKhz: null } }),
      restoreLine: qemuCommandLine({ ...line, mode: { kind: "restore" } }),
      warmUp: this.#options.warmUp(spec.image.name),
    };
  }

  async #launch(
    host: LaunchHost,
    spec: MachineSpec,
    accel: Accelerator,
    boot: BootFiles,
    template: Template,
    preparedMs: number,
    options: StartOptions,
  ): Promise<Machine> {
    const { cpus, memoryMb, diskMb } = spec;
    const files = machineFiles(spec.directory);
    const uid = this.#uids.next();
    await mkdir(files.directory, { recursive: true, mode: 0o700 });
    if (spec.keepDisk === true)
      await Promise.all(Object.values(sockets).map((name) => rm(join(files.directory, name), { force: true })));
    else {
      // A start that is repeated with a new template finds the link to the old one.
      await rm(files.base, { force: true });
      await Promise.all([copyOverlay(template.files.overlay, files.overlay), link(template.files.disk, files.base)]);
    }
    const restore = spec.keepDisk !== true;
    const machine = await launch(host, {
      cookie: spec.sandboxId,
      ...{ accel, cpus, memoryMb, diskMb, uid },
      directory: files.directory,
      paths: {
        kernel: boot.kernel,
        initramfs: boot.initramfs,
        image: spec.image.path,
        disk: { kind: "overlay", path: files.overlay, base: files.base },
        ...(restore ? { ram: template.files.ram } : {}),
      },
      // A kept disk no longer fits the memory of the template: that machine boots.
      mode: restore
        ? { kind: "restore", state: template.files.state }
        : { kind: "boot", tscKhz: await bootTscKhz(accel, boot.agent) },
      start: restore ? "template" : "cold",
      template: template.key,
      onSpawned: options.onSpawned,
    });
    machine.timings["prepared_ms"] = preparedMs;
    void machine.exited.then(({ by, code }) => {
      this.#uids.free(uid);
      // A guest that powers off ends QEMU with 0, a fault of QEMU by a signal; 1 is a state that it could not load.
      if (restore && by === "exit" && code === 1) void this.#templates.discard(template.key);
    });
    return machine;
  }
}

/** The template's file is read-only, and a copy inherits that. */
async function copyOverlay(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
}
