import { createHash } from "node:crypto";
import type { Accelerator } from "../backend.js";
import { stableJson } from "../../store/stable-json.js";

/**
 * Everything a template depends on. Two starts may share a template exactly when all of this is equal,
 * so a field is missing here only by mistake.
 */
export interface TemplateInputs {
  /** Layout of the template's own files; raised when their meaning changes. */
  readonly format: 1;
  readonly imageDigest: string;
  readonly kernelSha256: string;
  readonly initramfsSha256: string;
  readonly accel: Accelerator;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly diskMb: number;
  readonly cpuModel: string;
  /** `qemu-system-x86_64 --version`, and size and mtime of the binary: a rebuilt package of the same version counts. */
  readonly qemu: { readonly version: string; readonly size: number; readonly mtimeMs: number };
  /** Model name and flags of the host's processor under kvm, where the guest sees it; null under tcg. */
  readonly hostCpu: string | null;
  /** The two command lines with file names taken out: kernel parameters and device topology. */
  readonly bootLine: readonly string[];
  readonly restoreLine: readonly string[];
  /** Programs run before the state is saved, so that their pages are warm. */
  readonly warmUp: readonly (readonly string[])[];
}

/** Name of the template's directory: 32 hex digits of the SHA-256 of the inputs. */
export function templateKey(inputs: TemplateInputs): string {
  return createHash("sha256").update(stableJson(inputs)).digest("hex").slice(0, 32);
}
