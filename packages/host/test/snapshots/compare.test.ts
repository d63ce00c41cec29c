import { BackendUnsupported, type Compatibility, SnapshotMismatchError } from "@mvm/protocol";
import { describe, expect, it } from "vitest";
import { requireCompatible } from "../../src/snapshots/compare.js";
import { compatibility } from "./fixture.js";

describe("requireCompatible", () => {
  it("accepts the same, and another kernel: a captured machine brings its own", () => {
    requireCompatible("it", compatibility, { ...compatibility });
    requireCompatible("it", compatibility, { ...compatibility, kernel_sha256: "d".repeat(64) });
  });

  it("takes two measurements of one counter for the same, and asks nothing of what is older than that question", () => {
    requireCompatible("it", { ...compatibility, tsc_khz: 2_500_900 }, compatibility);
    const { tsc_khz: _measured, ...older } = compatibility;
    requireCompatible("it", older, compatibility);
  });

  it.each<[keyof Compatibility, unknown, string]>([
    ["format", 2, "the format of snapshots"],
    ["backend", "memory", "the backend"],
    ["accel", "kvm", "the accelerator"],
    ["qemu_version", "9.2.1", "QEMU's version"],
    ["cpu_model", "host", "the CPU model"],
    ["host_cpu", "Other CPU", "the host's processor"],
    ["tsc_khz", 2_400_000, "the frequency of the host's time stamp counter"],
    ["tsc_khz", null, "the frequency of the host's time stamp counter"],
    ["topology_sha256", "e".repeat(64), "the machine's devices"],
  ])("X-04 another %s is nothing this host can restore, by name", (key, value, words) => {
    const attempt = () => requireCompatible("it", { ...compatibility, [key]: value }, compatibility);
    expect(attempt).toThrow(BackendUnsupported);
    expect(attempt).toThrow(words);
    expect(attempt).toThrow(expect.objectContaining({ feature: `snapshot.${key}`, outcome: "not_started" }));
  });

  it.each<[keyof Compatibility, unknown, string]>([
    ["cpu", 2, "the number of CPUs"],
    ["memory_mb", 256, "the memory size"],
    ["disk_mb", 2048, "the disk size"],
    ["image_digest", "sha256:0", "the image"],
  ])("X-04 another %s is another machine, by name", (key, value, words) => {
    const attempt = () => requireCompatible("it", { ...compatibility, [key]: value }, compatibility);
    expect(attempt).toThrow(SnapshotMismatchError);
    expect(attempt).toThrow(words);
  });
});
