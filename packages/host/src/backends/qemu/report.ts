import type { BackendReport } from "../backend.js";
import type { KvmVerdict } from "./kvm-verdict.js";
import { type HostFacts, oldestQemu } from "./probe.js";

/** What `doctor` and `backends` say of QEMU on this host. Pure. */
export function qemuReport(facts: HostFacts, kvm: KvmVerdict): BackendReport {
  const { qemu, cageTools, features } = facts;
  const problems: string[] = [];
  if (qemu === null) problems.push("QEMU is not installed: run `mvmctl setup`");
  else if (Number.parseInt(qemu.version, 10) < oldestQemu) {
    problems.push(
      `QEMU ${qemu.version} is older than ${oldestQemu}: run \`mvmctl setup\` (Debian 12 has it in backports)`,
    );
  }
  if (!kvm.usable)
    problems.push(
      `No hardware virtualisation (${kvm.reason}): guests are emulated, which QEMU does not call a security boundary`,
    );
  if (cageTools.bwrap === null)
    problems.push(
      "bubblewrap is missing or may not make namespaces: machines see the host's file system read as this user",
    );
  if (!features.seccomp) problems.push("This QEMU has no seccomp filter");
  const layer = (name: string, active: boolean, reason: string): BackendReport["confinement"][number] => ({
    layer: name,
    active,
    reason,
  });
  const boxed = cageTools.bwrap !== null;
  const how = boxed ? "bubblewrap" : "bubblewrap cannot be used";
  return {
    name: "qemu",
    available: qemu !== null && Number.parseInt(qemu.version, 10) >= oldestQemu,
    problems,
    accelerators: {
      kvm: { usable: kvm.usable, reason: kvm.reason },
      tcg: { usable: qemu !== null, reason: "emulation needs nothing of the host" },
    },
    facts: {
      qemu_version: qemu?.version ?? null,
      qemu_path: qemu?.path ?? null,
      seccomp: features.seccomp,
      io_uring: features.ioUring,
      kvm_device: facts.kvmDevice.reason,
      default_accelerator: kvm.usable ? "kvm" : "tcg",
      isolation: kvm.usable ? "hardware" : "emulated",
    },
    confinement: [
      layer("seccomp", features.seccomp, "QEMU's own filter: no new programs, no privileges, no resource control"),
      ...["mount", "pid", "net", "ipc", "uts"].map((name) => layer(`${name}-namespace`, boxed, how)),
      layer("read-only-root", boxed, how),
      layer(
        "own-uid",
        cageTools.root && cageTools.setpriv !== null,
        cageTools.root ? "a user of its own for every machine" : "needs a daemon that runs as root",
      ),
      layer("no-capabilities", cageTools.root && cageTools.setpriv !== null, "setpriv drops them all"),
      layer("no-new-privs", cageTools.setpriv !== null, cageTools.setpriv === null ? "setpriv is missing" : "setpriv"),
      layer(
        "rlimits",
        cageTools.prlimit !== null,
        cageTools.prlimit === null ? "prlimit is missing" : "open files, file size, no core",
      ),
      layer("cgroup", facts.cgroup.place !== null, facts.cgroup.reason),
    ],
  };
}
