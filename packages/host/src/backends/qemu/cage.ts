/** What this host offers to confine a process; found by the probes, so that nothing is claimed that does not hold. */
export interface CageTools {
  /** Path of bubblewrap, when it can make namespaces here. */
  readonly bwrap: string | null;
  readonly prlimit: string | null;
  readonly setpriv: string | null;
  /** The daemon is root and can hand each machine a user of its own. */
  readonly root: boolean;
  readonly seccomp: boolean;
  /** Who may open `/dev/kvm`: with `owner` only root itself, so a machine under KVM keeps root's uid, without its capabilities. */
  readonly kvmAccess:
    { readonly kind: "everybody" } | { readonly kind: "group"; readonly gid: number } | { readonly kind: "owner" };
}

export interface CageInput {
  readonly tools: CageTools;
  /** Host uid and gid of this machine when the daemon is root; ignored otherwise. */
  readonly uid: number;
  /** The sandbox's directory: the only place the process may write to. */
  readonly directory: string;
  /** Files and directories it may read, by the name it knows them under. */
  readonly readable: readonly { readonly host: string; readonly inside: string }[];
  /** Largest file it may write. Bytes. */
  readonly maxFileBytes: number;
  readonly needsKvm: boolean;
  /** Host root directories a dynamically linked QEMU needs (`/usr`, and `/lib64` … where they are not links into it). */
  readonly systemDirectories: readonly SystemDirectory[];
}

export type SystemDirectory =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

export interface Cage {
  /** Words to put before the command. */
  readonly prefix: readonly string[];
  /** The sandbox's directory as the process sees it; its working directory. */
  readonly directory: string;
  /** Name under which the process sees a readable host path. */
  inside(host: string): string;
  /** The layers this cage consists of, for `inspect` and `doctor`. */
  readonly layers: readonly string[];
  /** The process reports its pid as seen from the host on descriptor 3 (bubblewrap's `--info-fd`). */
  readonly reportsPid: boolean;
}

/** Descriptors QEMU needs: chardevs, disks, io_uring and some slack. */
const maxOpenFiles = 256;

/** Builds the cage of one machine. Pure. Without bubblewrap the other layers still apply. */
export function buildCage(input: CageInput): Cage {
  const { tools } = input;
  const layers: string[] = [];
  const prefix: string[] = [];
  if (tools.bwrap !== null) {
    prefix.push(...bubblewrap(input, tools.bwrap));
    layers.push(
      "mount-namespace",
      "pid-namespace",
      "net-namespace",
      "ipc-namespace",
      "uts-namespace",
      "read-only-root",
    );
  }
  if (tools.prlimit !== null) {
    prefix.push(tools.prlimit, "--core=0", `--nofile=${maxOpenFiles}`, `--fsize=${input.maxFileBytes}`, "--");
    layers.push("rlimits");
  }
  if (tools.setpriv !== null) {
    const ownUid = tools.root && hasOwnUid(input);
    prefix.push(tools.setpriv, "--no-new-privs", ...(tools.root ? ["--inh-caps=-all", "--bounding-set=-all"] : []));
    prefix.push(...(ownUid ? [`--reuid=${input.uid}`, `--regid=${input.uid}`, ...groups(input)] : []), "--");
    layers.push("no-new-privs", ...(ownUid ? [`uid:${input.uid}`] : []), ...(tools.root ? ["no-capabilities"] : []));
  }
  if (tools.seccomp) layers.push("seccomp");
  const insideBwrap = new Map(input.readable.map(({ host, inside }) => [host, inside]));
  return {
    prefix,
    directory: tools.bwrap === null ? input.directory : "/vm",
    inside: (host) => (tools.bwrap === null ? host : (insideBwrap.get(host) ?? host)),
    layers,
    reportsPid: tools.bwrap !== null,
  };
}

/** Whether this machine runs under a user of its own; its files are given to that user then. */
export function hasOwnUid({ tools, needsKvm }: Pick<CageInput, "tools" | "needsKvm">): boolean {
  return (
    tools.root && tools.bwrap !== null && tools.setpriv !== null && !(needsKvm && tools.kvmAccess.kind === "owner")
  );
}

function groups({ tools: { kvmAccess }, needsKvm }: CageInput): string[] {
  return needsKvm && kvmAccess.kind === "group" ? [`--groups=${kvmAccess.gid}`] : ["--clear-groups"];
}

function bubblewrap(input: CageInput, binary: string): string[] {
  return [
    ...[binary, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--hostname", "vm", "--as-pid-1"],
    ...["--clearenv", "--info-fd", "3"],
    ...input.systemDirectories.flatMap((entry) =>
      entry.kind === "link" ? ["--symlink", entry.target, entry.path] : ["--ro-bind", entry.path, entry.path],
    ),
    ...input.readable.flatMap(({ host, inside }) => ["--ro-bind", host, inside]),
    ...["--dev", "/dev"],
    ...(input.needsKvm ? ["--dev-bind", "/dev/kvm", "/dev/kvm"] : []),
    ...["--bind", input.directory, "/vm", "--chdir", "/vm", "--"],
  ];
}
