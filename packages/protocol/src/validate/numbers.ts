import { limits } from "../limits.js";
import { invalid } from "./invalid.js";

/** Returns the value if it is a whole number within both bounds; throws `InvalidArgumentError` otherwise. */
export function wholeNumber(argument: string, value: unknown, least: number, most: number, unit = ""): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(argument, value, `a whole number${unit && ` of ${unit}`} from ${least} to ${most}`);
}

/** Memory of a sandbox in MiB. */
export function validateMemoryMb(value: unknown): number {
  return wholeNumber("memory", value, limits.memoryMinMb, limits.memoryMaxMb, "MiB");
}

/** Virtual CPUs of a sandbox. */
export function validateCpu(value: unknown): number {
  return wholeNumber("cpu", value, limits.cpuMin, limits.cpuMax);
}

/** Writable disk of a sandbox in MiB. */
export function validateDiskMb(value: unknown): number {
  return wholeNumber("disk", value, limits.diskMinMb, limits.diskMaxMb, "MiB");
}

/** Time to live of a sandbox in seconds. */
export function validateTtlSeconds(value: unknown): number {
  return wholeNumber("ttl", value, limits.ttlMinSeconds, limits.ttlMaxSeconds, "seconds");
}

/** Time limit of a command in milliseconds. */
export function validateTimeoutMs(value: unknown): number {
  return wholeNumber("timeout", value, limits.timeoutMinMs, limits.timeoutMaxMs, "milliseconds");
}

/** Time limit in seconds, fractions allowed; returns milliseconds. */
export function validateTimeoutSeconds(value: unknown): number {
  const milliseconds = typeof value === "number" ? Math.round(value * 1000) : Number.NaN;
  if (milliseconds >= limits.timeoutMinMs && milliseconds <= limits.timeoutMaxMs) return milliseconds;
  throw invalid("timeout", value, `a number of seconds from 0.001 to ${limits.timeoutMaxMs / 1000}`);
}

/** Bytes of output that are kept of each stream. */
export function validateMaxOutputBytes(value: unknown): number {
  return wholeNumber("max output", value, limits.outputMinBytes, limits.outputMaxBytes, "bytes");
}

/** A TCP port. */
export function validatePort(value: unknown): number {
  return wholeNumber("port", value, 1, limits.portMax);
}

/** A TCP port of the host to bind; 0 takes any that is free. */
export function validateHostPort(value: unknown): number {
  return wholeNumber("host port", value, 0, limits.portMax);
}

/** Permission bits of a file. */
export function validateMode(value: unknown): number {
  return wholeNumber("mode", value, 0, 0o7777);
}

/** Process id of a command in a sandbox. */
export function validatePid(value: unknown): number {
  return wholeNumber("pid", value, 1, 4_194_304);
}
