/** What an image from elsewhere may ask of this host at most. */
export interface MergeLimits {
  /** Bytes of all layers together, decompressed. */
  readonly bytes: number;
  /** Entries of all layers together. */
  readonly entries: number;
  readonly layers: number;
}

export const mergeLimits: MergeLimits = { bytes: 16 * 2 ** 30, entries: 500_000, layers: 128 };

/** Bytes of a manifest, an index or a configuration. */
export const maxDocumentBytes = 4 * 2 ** 20;
export const maxPathBytes = 4096;
export const maxNameBytes = 255;
/** Symbolic links followed on the way to one entry. */
export const maxLinks = 40;
/** Directories above one entry; links can lead deeper than any path is long. */
export const maxDepth = 512;
/** Bytes of all names, link targets and attributes of an image. */
export const maxTextBytes = 256 * 2 ** 20;
