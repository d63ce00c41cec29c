/** How a virtual machine's instructions are executed. */
export type Accelerator = "kvm" | "tcg";

/** The one place that knows how much slower emulation is. Everything that waits for a guest is multiplied by it. */
export const acceleratorScale: { readonly [A in Accelerator]: number } = { kvm: 1, tcg: 8 };

/** Deadlines of whatever depends on a guest's speed, in milliseconds under KVM. */
const guestDeadlines = {
  /** From the start of QEMU to its QMP greeting, and one QMP command. */
  qmp: 5_000,
  /** HELLO to WELCOME on a machine that is running. */
  hello: 5_000,
  /** RESUME to RESUMED. */
  resume: 5_000,
  /** Power on to WELCOME of a cold boot. */
  boot: 15_000,
  /** Everything from nothing to a saved template. */
  templateBuild: 60_000,
  /** Start of QEMU to WELCOME when a template or snapshot is restored. */
  restore: 10_000,
  /** From the claim of a waiting machine to its answer; then another is started instead. */
  poolClaim: 500,
  /** Agent's shutdown to the end of QEMU; then it is killed. */
  shutdown: 5_000,
  /** A file operation or agent request during which nothing arrives. */
  fileOpIdle: 15_000,
  /** A short request to the agent: ps, metrics, signal. */
  agentRequest: 5_000,
  /** What a guest says of its memory when it is looked at; one that takes longer is shown without. */
  memoryFigures: 250,
  /** From a smaller limit of memory to a guest that fits into it, or does not. */
  memoryResize: 15_000,
  /** First bytes of a connection that leaves a sandbox, where its rule looks at them. */
  egressOpening: 10_000,
  /** Beyond a command's own time limit and grace, before the host gives the guest up. */
  commandOverrun: 5_000,
} as const;

/** Deadlines of what only the host does; no accelerator slows them. Milliseconds. */
const hostDeadlines = {
  /** From launching the daemon to an answer on its socket. */
  daemonStart: 15_000,
  /** Connecting to the daemon's socket. */
  daemonConnect: 5_000,
  /** A call that answers at once: list, inspect, ttl. */
  request: 30_000,
  /** The daemon's own drain on SIGTERM. */
  drain: 5_000,
  /** An attached sandbox outlives its client by no more than this. */
  leaseEnd: 1_000,
  /** The daemon ends after this long without sandboxes. */
  daemonIdle: 600_000,
  /** Writing a machine's memory and disk to files. */
  capture: 300_000,
  /** Parsing one module of a declaration. */
  compile: 20_000,
  /** Connecting to a server outside, all its addresses together. */
  egressDial: 10_000,
  /** A server of releases or images: to its answer, and between two pieces of a file. */
  assetAnswer: 30_000,
  /** One image build. */
  imageBuild: 1_800_000,
  /** One installation of packages in a sandbox that names no limit of its own. */
  packageInstall: 600_000,
} as const;

/** Name of a deadline that scales with the accelerator. */
export type GuestDeadline = keyof typeof guestDeadlines;
/** Name of a deadline of the host alone. */
export type HostDeadline = keyof typeof hostDeadlines;

/** Milliseconds until the named deadline. Those that wait for a guest need the accelerator. */
export function deadline(name: HostDeadline): number;
export function deadline(name: GuestDeadline, accel: Accelerator): number;
export function deadline(name: GuestDeadline | HostDeadline, accel: Accelerator = "kvm"): number {
  return name in hostDeadlines
    ? hostDeadlines[name as HostDeadline]
    : guestDeadlines[name as GuestDeadline] * acceleratorScale[accel];
}
