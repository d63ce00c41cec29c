import {
  limits,
  parseSize,
  parseSizeMb,
  validateDiskMb,
  validateMaxOutputBytes,
  validateMemoryMb,
} from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** Memory of a sandbox in MiB. */
export const memory: ArgType<number> = {
  label: "SIZE",
  parse: (text) => validateMemoryMb(parseSizeMb(text, "memory")),
};

/** Disk of a sandbox in MiB. */
export const disk: ArgType<number> = { label: "SIZE", parse: (text) => validateDiskMb(parseSizeMb(text, "disk")) };

/** Output that is kept, in bytes. */
export const outputSize: ArgType<number> = {
  label: "SIZE",
  parse: (text) => validateMaxOutputBytes(text === "0" ? limits.outputMinBytes : parseSize(text, "max output")),
};

/** Any amount of bytes. */
export const anySize: ArgType<number> = { label: "SIZE", parse: (text) => parseSize(text) };
