import type { Duplex, Readable } from "node:stream";
import type { ImageConfig } from "@mvm/images";
import type { Compatibility, TemplateFacts } from "@mvm/protocol";

/** What starts a machine: everything is resolved and admitted, nothing is a user's string any more. */
export interface MachineSpec {
  /** Sandbox id; also the machine's cookie, visible in its command line as `-name`. */
  readonly sandboxId: string;
  /** The sandbox's own directory (0700). The machine keeps its disk, sockets and identity in it. */
  readonly directory: string;
  /** A verified, read-only root file system. */
  readonly image: {
    readonly name: string;
    readonly digest: string;
    readonly path: string;
    /** What it wants to have run before its template is saved; its digest covers it. */
    readonly config?: ImageConfig;
  };
  readonly cpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  /** `auto` takes kvm where a guest really boots under it and announces the fall back otherwise. */
  readonly accel: "auto" | Accelerator;
  /** Keep the disk that is already in the directory: start of a stopped sandbox, wake of a cold one. */
  readonly keepDisk?: boolean;
  /** Start from a captured machine instead of the template. The machine is paused when the start resolves. */
  readonly captured?: CapturedState;
}

/** A machine's memory and devices, and unless the disk is kept its disk, as `capture` wrote them. Verified by the caller. */
export interface CapturedState {
  readonly directory: string;
  /** Where the guest's memory begins in its file. Bytes. */
  readonly memoryOffset: number;
}

/** What of a machine decides whether a captured one fits. */
export interface MachineShape {
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly imageDigest: string;
}

export type Accelerator = "kvm" | "tcg";

/** How far a start has come; shown to the user, so phases are words. */
export interface Progress {
  readonly phase: string;
  readonly detail?: string;
  readonly done?: number;
  readonly total?: number;
}

export interface StartOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Something the user must know although the start goes on, such as the fall back to emulation. */
  readonly onNotice?: (message: string) => void;
  /** Called with the identity before anything else can fail: the journal entry that lets recovery find the process. */
  readonly onSpawned?: (identity: MachineIdentity) => Promise<void>;
}

/** Names one process beyond pid reuse. Written into the sandbox's state file; JSON. */
export interface MachineIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/PID/stat`, clock ticks since boot. */
  readonly startTime: string;
  /** Host boot id: a pid recorded before a reboot never matches. */
  readonly bootId: string;
  readonly cookie: string;
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly template: string | null;
}

export interface MachineExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** `exit`: the process went by itself (guest power-off, crash); `kill`: this side ended it. */
  readonly by: "exit" | "kill";
  /** The host killed it because it had used up the memory it is allowed. Absent where the host cannot tell. */
  readonly oom?: boolean;
}

/** A running machine. One owner; ends exactly once. */
export interface Machine {
  readonly identity: MachineIdentity;
  readonly start: "template" | "cold" | "pool" | "adopted";
  /** Milliseconds by phase since the start was called (`spawn`, `connect`, `restored` …), for the boot report. */
  readonly timings: Readonly<Record<string, number>>;
  /** Layers that really confine this process on this host, such as `seccomp`, `no-new-privs`, `uid:1836000001`. */
  readonly confinement: readonly string[];
  /** The byte stream to the agent, connected; frames are not its business. */
  readonly channel: Duplex;
  /** What the guest's kernel and agent print on the console. Must be drained; bounded by its reader. */
  readonly console: Readable;
  /** Connects to the port over which the guest asks about shared directories. One connection at a time. */
  openShares(): Promise<Duplex>;
  /** Resolves once the process is gone, for whatever reason; never rejects. */
  readonly exited: Promise<MachineExit>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Stops the vCPUs and writes memory, device state and, with `disk`, the disk to `target`, all of the same instant. The machine
   * stays stopped: `resume` or `kill` it. `target` is an empty directory on the same file system.
   * @throws {SnapshotError} nothing usable was written, the machine is unharmed and stopped
   */
  capture(target: string, options: { readonly disk: boolean }): Promise<{ readonly memoryOffset: number }>;
  /** Ends the machine at once and resolves when no process of it is left. Idempotent. */
  kill(): Promise<void>;
  /** Closes this side's sockets and leaves the machine running: the daemon goes, the machine stays. */
  release(): void;
}

export interface BackendReport {
  readonly name: string;
  readonly available: boolean;
  /** Why not, or what is weaker than it could be; each a sentence with what to do. */
  readonly problems: readonly string[];
  readonly accelerators: Readonly<Record<Accelerator, { usable: boolean; reason: string }>>;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
  readonly confinement: readonly { layer: string; active: boolean; reason: string }[];
}

/** What a backend keeps below the state root to start machines from. */
export interface KeptParts {
  /** Version of the kernel that machines start now; null when there is none yet. */
  readonly kernel: string | null;
  /** SHA-256 of the agent that machines start now; null when there is none yet. */
  readonly agent: string | null;
  readonly templates: readonly { readonly key: string; readonly imageDigest: string }[];
}

/** A template as another host can be told of it. Its files are immutable, but may be removed at any time. */
export interface MovableTemplate {
  readonly key: string;
  readonly directory: string;
  readonly facts: TemplateFacts;
}

/** How templates are moved between hosts. */
export interface TemplateMoves {
  /** Names of a template's files, in the order in which they are moved. */
  readonly parts: readonly string[];
  /** Those of an image that a machine would start from here now. */
  list(image: { readonly name: string; readonly digest: string }): Promise<readonly MovableTemplate[]>;
  /**
   * Takes a template over that another host made, instead of one that is there. Returns its key here.
   * @param fill writes its parts, whole and compared with their digests, into an empty directory; when it rejects nothing is left
   * @throws {BackendUnsupported | SnapshotMismatchError} naming what differs here, before `fill` is called
   */
  receive(
    image: { readonly name: string; readonly digest: string },
    facts: TemplateFacts,
    fill: (directory: string) => Promise<void>,
  ): Promise<string>;
}

/** One way of running machines. Only `backends/<name>` knows how. */
export interface Backend {
  readonly name: "qemu";
  /** Makes order after a former daemon, before anything is started: its half-made templates and the machines that made them. */
  recover?(): Promise<void>;
  /** Removes what machines that are gone have left outside of their directories. After recovery, and with every gc. */
  tidy?(): Promise<void>;
  /**
   * What it keeps below the state root for images or programs that are no more; removing it only costs time.
   * @param images digests of the images that exist
   */
  stale?(images: ReadonlySet<string>): Promise<readonly { readonly kind: string; readonly path: string }[]>;
  /** What machines are made of here, apart from their images. Only looks. */
  kept?(): Promise<KeptParts>;
  /** Facts about this host, cached; `refresh` probes again. */
  probe(options?: { refresh?: boolean; signal?: AbortSignal }): Promise<BackendReport>;
  /**
   * Starts a machine from its template, making the template first where there is none.
   * @throws {BackendUnsupported} asked accelerator or isolation cannot be had
   * @throws {VmBootTimeoutError | VmQemuCrashError | VmOverlayError | VmDependencyError | AssetChecksumError}
   */
  start(spec: MachineSpec, options?: StartOptions): Promise<Machine>;
  /** What a captured machine of this shape can be started with on this host. Two that differ do not fit each other. */
  compatibility(shape: MachineShape): Promise<Compatibility>;
  /** Absent where machines do not start from files that another host could use. */
  readonly templates?: TemplateMoves;
  /** The parts of a sparse file that hold data; every byte outside of them is zero, by the word of the file system. */
  dataRanges(path: string): Promise<readonly { readonly start: number; readonly length: number }[]>;
  /**
   * Connects to a machine a former daemon left behind; undefined when it is gone. One that is not to be paused runs
   * afterwards, whatever that daemon was doing with it. Never signals anything but that process.
   */
  adopt(
    identity: MachineIdentity,
    directory: string,
    options: { readonly paused: boolean },
  ): Promise<Machine | undefined>;
  /** Ends a process a former daemon left behind, if it is still the one the identity names. */
  reap(identity: MachineIdentity): Promise<boolean>;
}
