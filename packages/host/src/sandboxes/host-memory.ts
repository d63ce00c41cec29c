import { readFileSync } from "node:fs";

export interface MemoryRule {
  /** Stays free for the rest of the host. MiB. */
  readonly floorMb: number;
  /** What a restored clone really touches beyond its template, which all clones share. MiB. */
  readonly cloneMb: number;
}

export const defaultMemoryRule: MemoryRule = { floorMb: 512, cloneMb: 100 };

/** Memory one start is counted with: never more than the guest has, plus what QEMU itself needs. MiB. */
export function startEstimateMb(guestMb: number, rule: MemoryRule): number {
  return Math.min(guestMb, rule.cloneMb) + 32;
}

/** Pure: why a machine does not fit, or undefined when it does. */
export function memoryObstacle(
  now: { availableMb: number; needMb: number; reservedMb: number },
  rule: MemoryRule,
): string | undefined {
  const left = now.availableMb - now.reservedMb - rule.floorMb;
  if (left >= now.needMb) return undefined;
  return `it needs ${now.needMb} MiB of host memory, and of ${now.availableMb} MiB available ${now.reservedMb} are promised and ${rule.floorMb} stay free`;
}

/** `MemAvailable` of the host. MiB. */
export function availableMb(): number {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return Math.floor(Number(kib ?? 0) / 1024);
}
