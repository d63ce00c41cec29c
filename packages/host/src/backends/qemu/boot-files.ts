/** Kernel and initramfs with their digests; from `@mvm/images`. */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  readonly kernelSha256: string;
  readonly initramfsSha256: string;
  /** The agent's binary, which also measures the host's time stamp counter. */
  readonly agent: string;
}
