import { BackendUnsupported, SnapshotMismatchError, type Compatibility } from "@mvm/protocol";
import { sameClockRate } from "../backends/clock-rate.js";

const words: { readonly [K in keyof Required<Compatibility>]: string } = {
  format: "the format of snapshots",
  backend: "the backend",
  accel: "the accelerator",
  qemu_version: "QEMU's version",
  cpu_model: "the CPU model",
  host_cpu: "the host's processor",
  tsc_khz: "the frequency of the host's time stamp counter",
  topology_sha256: "the machine's devices",
  cpu: "the number of CPUs",
  memory_mb: "the memory size",
  disk_mb: "the disk size",
  image_digest: "the image",
  kernel_sha256: "the kernel",
};

/**
 * A captured machine brings its kernel with it, in its memory: one made with an older kernel goes on with that. Everything else
 * must be the same.
 */
const ignored: ReadonlySet<keyof Compatibility> = new Set(["kernel_sha256"]);
/** What belongs to this host rather than to the request: another host may be able to. */
const ofTheHost: ReadonlySet<keyof Compatibility> = new Set([
  "format",
  "backend",
  "accel",
  "qemu_version",
  "cpu_model",
  "host_cpu",
  "tsc_khz",
  "topology_sha256",
]);

/**
 * Pure: refuses a captured machine this host cannot go on with, naming the difference.
 * @throws {BackendUnsupported} the host offers something else
 * @throws {SnapshotMismatchError} it is a machine of another shape
 */
export function requireCompatible(what: string, captured: Compatibility, here: Compatibility): void {
  for (const key of Object.keys(words) as (keyof Compatibility)[]) {
    if (ignored.has(key) || captured[key] === here[key]) continue;
    if (key === "tsc_khz" && sameClockRate(captured.tsc_khz, here.tsc_khz)) continue;
    const shown = (value: Compatibility[typeof key]): string => String(value ?? "none").slice(0, 80);
    const message = `Cannot restore ${what}: ${words[key]} differs: it was made with ${shown(captured[key])}, here is ${shown(here[key])}`;
    if (!ofTheHost.has(key)) throw new SnapshotMismatchError({ message, context: { difference: key } });
    throw new BackendUnsupported({
      message,
      backend: here.backend,
      feature: `snapshot.${key}`,
      hint: "Restore it on a host like the one it was made on, or make a new one here",
      outcome: "not_started",
      context: { difference: key },
    });
  }
}
