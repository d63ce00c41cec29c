import type { ImageSignature } from "../cosign/trust.js";
import type { ByteSource } from "./byte-source.js";
import type { ImageDocument } from "./documents.js";

/** A layer as it lies somewhere, to be checked while it is read. */
export interface LayerSource {
  /** Digest of the bytes that `open` gives; null where nothing names them. */
  readonly digest: string | null;
  /** Digest of the layer without its compression; null where nothing names it. */
  readonly diffId: string | null;
  readonly size: number | null;
  /** Gives the bytes; `close` frees them. */
  open(onBytes: (done: number, total: number) => void): Promise<{ bytes: ByteSource; close: () => Promise<void> }>;
}

/** An image of which only documents were read so far. */
export interface ImageSource {
  /** What was asked for: the digest of an index, of a manifest, of a configuration, or of a tar. Null for a folder. */
  readonly digest: string | null;
  readonly manifestDigest: string | null;
  readonly configDigest: string | null;
  /** Whose signature was wanted and found. */
  readonly signature?: ImageSignature | undefined;
  /** Null for a bare root file system. */
  readonly config: ImageDocument | null;
  readonly layers: readonly LayerSource[];
  close(): Promise<void>;
}
