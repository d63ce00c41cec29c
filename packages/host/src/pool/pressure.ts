import { readFileSync } from "node:fs";
import { availableMb, defaultMemoryRule } from "../sandboxes/host-memory.js";

/** Tasks that all stood still for memory, percent of the last ten seconds. Source: the kernel's pressure stall information. */
const stalledPercent = 10;

/** Why waiting machines should be given up to the host, or undefined when it has room. Pure. */
export function pressureOf(host: { availableMb: number; fullAvg10: number }, floorMb: number): string | undefined {
  if (host.availableMb < 2 * floorMb) return `the host has ${host.availableMb} MiB of memory left`;
  if (host.fullAvg10 >= stalledPercent) return `the host waits for memory ${host.fullAvg10} % of the time`;
  return undefined;
}

/** The same of this host, now. */
export function hostPressure(): string | undefined {
  return pressureOf({ availableMb: availableMb(), fullAvg10: fullAvg10() }, defaultMemoryRule.floorMb);
}

function fullAvg10(): number {
  try {
    const text = readFileSync("/proc/pressure/memory", "utf8");
    return Number(/^full avg10=([\d.]+)/m.exec(text)?.[1] ?? 0);
  } catch {
    // A kernel without pressure information: the amount that is left decides alone.
    return 0;
  }
}
