import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { emptyConfig } from "@mvm/images";
import { BackendUnsupported, VmDependencyError, VmQemuCrashError, type Compatibility } from "@mvm/protocol";
import type {
  Accelerator,
  Backend,
  BackendReport,
  KeptParts,
  Machine,
  MachineIdentity,
  MachineShape,
  MachineSpec,
  StartOptions,
  TemplateMoves,
} from "../backend.js";
import { isAlive } from "../../processes/identity.js";
import type { BootFiles } from "./boot-files.js";
import { sockets } from "./command-line.js";
import { qemuCompatibility } from "./compatibility.js";
import { bootTscKhz } from "./tsc.js";
import { dataRanges } from "./disks.js";
import { tryConnect } from "./connect.js";
import { FallbackNotice } from "./fallback-notice.js";
import { bootRecord, keptTemplates } from "./kept.js";
import { KvmProbe } from "./kvm-verdict.js";
import type { Guard } from "./helpers.js";
import type { LaunchHost } from "./launch.js";
import { QemuMachine } from "./machine.js";
import { makeTemplate } from "./make-template.js";
import { inGroup, MachineGroups } from "./machine-groups.js";
import { machineFiles } from "./paths.js";
import { type HostFacts, oldestQemu, probeHost } from "./probe.js";
import { foundProcess } from "./process.js";
import { qemuReport } from "./report.js";
import { findStale, type Stale } from "./stale.js";
import { startFromCapture, startFromTemplate, type StartParts } from "./start-from.js";
import { templateInputs } from "./template-inputs.js";
import { QemuTemplateMoves } from "./template-moves.js";
import { type Template, TemplateStore } from "./template-store.js";
import { UidPool } from "./uids.js";

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
  readonly templates: TemplateMoves;
  #tscKhz: Promise<number | null> | undefined;
  readonly #options: QemuBackendOptions;
  readonly #templates: TemplateStore;
  readonly #kvm: KvmProbe;
  readonly #fallback: FallbackNotice;
  readonly #uids = new UidPool();
  readonly #groups: MachineGroups;
  #facts: Promise<HostFacts> | undefined;

  constructor(options: QemuBackendOptions) {
    this.#options = options;
    this.#templates = new TemplateStore(options.home);
    this.templates = new QemuTemplateMoves(options.home, this.#templates, async (accel) => {
      const facts = await this.#usableFacts();
      if (accel !== undefined) await this.#accelerator(accel, facts, {});
      return { ...facts, boot: await options.bootFiles(), warmUp: options.warmUp };
    });
    this.#kvm = new KvmProbe(options.home, options.guard);
    this.#fallback = new FallbackNotice(options.home);
    this.#groups = new MachineGroups(options.home);
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

  async stale(images: ReadonlySet<string>): Promise<readonly Stale[]> {
    const { qemu } = await this.#hostFacts();
    // Without kernel or QEMU nothing can be told to be of another one.
    const boot = await this.#options.bootFiles(true).catch(() => undefined);
    return qemu === null || boot === undefined ? [] : await findStale(this.#options.home, { images, boot, qemu });
  }

  async kept(): Promise<KeptParts> {
    const boot = await this.#options.bootFiles(true).catch(() => undefined);
    const record = boot && (await bootRecord(dirname(boot.kernel)));
    const templates = (await keptTemplates(this.#options.home)).flatMap(({ key, inputs }) =>
      inputs === undefined ? [] : [{ key, imageDigest: inputs.imageDigest }],
    );
    const agent = record?.agent_sha256;
    return { kernel: record?.kernel_version ?? null, agent: agent === undefined ? null : `sha256:${agent}`, templates };
  }

  async tidy(): Promise<void> {
    await this.#groups.sweep();
  }

  async start(spec: MachineSpec, options: StartOptions = {}): Promise<Machine> {
    const begin = performance.now();
    options.signal?.throwIfAborted();
    const facts = await this.#usableFacts();
    const accel = await this.#accelerator(spec.accel, facts, options);
    const boot = await this.#options.bootFiles();
    const host: LaunchHost = { binary: facts.qemu.path, features: facts.features, cageTools: facts.cageTools };
    const parts: StartParts = {
      ...{ host, spec, accel, boot, options },
      ...{ uids: this.#uids, groups: this.#groups, groupPlace: facts.cgroup.place },
    };
    const begun = async (starting: Promise<QemuMachine>, preparedMs: number): Promise<QemuMachine> => {
      const machine = await starting;
      machine.timings["prepared_ms"] = preparedMs;
      return machine;
    };
    if (spec.captured !== undefined)
      return await begun(startFromCapture(parts, spec.captured), performance.now() - begin);
    const inputs = templateInputs({ ...spec, accel }, { ...facts, boot, warmUp: this.#options.warmUp });
    const make = (template: Template["files"]): Promise<void> =>
      makeTemplate(
        host,
        {
          ...{ ...spec, ...boot, accel, image: spec.image.path, config: spec.image.config ?? emptyConfig },
          ...{ uid: this.#uids.templateUid, warmUp: inputs.warmUp, guard: this.#options.guard },
        },
        template,
        options,
      );
    const ensure = () => this.#templates.ensure(inputs, make, options.signal);
    const template = await ensure();
    const prepared = performance.now() - begin;
    const startFrom = (found: Template): Promise<QemuMachine> =>
      begun(
        startFromTemplate(parts, found, () => void this.#templates.discard(found.key)),
        prepared,
      );
    try {
      return await startFrom(template);
    } catch (error) {
      // A QEMU that ends while it loads means that this template does not fit it after all: made anew once.
      if (!(error instanceof VmQemuCrashError) || spec.keepDisk === true) throw error;
      await this.#templates.discard(template.key);
      return await startFrom(await ensure());
    }
  }

  /** Measured once: it is the host's, and measuring takes 0.2 s. */
  #clockRate(accel: Accelerator, agent: string): Promise<number | null> {
    if (accel === "kvm") return Promise.resolve(null);
    this.#tscKhz ??= bootTscKhz(accel, agent).catch((error: unknown) => {
      this.#tscKhz = undefined;
      throw error;
    });
    return this.#tscKhz;
  }

  async compatibility(shape: MachineShape): Promise<Compatibility> {
    const facts = await this.#usableFacts();
    const { kernelSha256, agent } = await this.#options.bootFiles();
    const tscKhz = await this.#clockRate(shape.accel, agent);
    return qemuCompatibility(shape, { qemuVersion: facts.qemu.version, kernelSha256, tscKhz });
  }

  dataRanges(path: string): ReturnType<typeof dataRanges> {
    return dataRanges(path);
  }

  async adopt(
    identity: MachineIdentity,
    sandboxDirectory: string,
    { paused }: { paused: boolean },
  ): Promise<Machine | undefined> {
    if (!isAlive(identity)) return undefined;
    const { directory } = machineFiles(sandboxDirectory);
    this.#uids.take(
      await stat(directory).then(
        (found) => found.uid,
        () => 0,
      ),
    );
    const process = inGroup(foundProcess(identity), await this.#groups.find(identity.cookie));
    const [channel, console] = await Promise.all([
      tryConnect(join(directory, sockets.agent)),
      tryConnect(join(directory, sockets.console)),
    ]);
    if (channel === undefined || console === undefined) {
      await process.kill();
      return undefined;
    }
    const found = { process, identity, directory, channel, console, start: "adopted", timings: {}, confinement: [] };
    const machine = new QemuMachine(found as ConstructorParameters<typeof QemuMachine>[0]);
    await machine.takeOver({ paused });
    return machine;
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
    if (options.onNotice !== undefined && (await this.#fallback.first(kvm.reason))) {
      options.onNotice(
        `machines are emulated here: KVM cannot be used (${kvm.reason}). Said once; \`mvmctl doctor\` has the rest`,
      );
    }
    return "tcg";
  }
}
