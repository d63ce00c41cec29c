import { Errno } from "./errno.js";
import { type Body, pack, protocol } from "./wire.js";

/** Bytes of one read or write; the guest's relay has room for no more. */
export const maxTransfer = 131_072;
const pageBytes = 4096;

/** Bits of INIT's `flags` that both sides have to have. */
const wanted = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  /** The guest drops what it has of a file whose time or size has changed on the host. */
  dropChanged: 1 << 12,
  parallelDirectories: 1 << 18,
  maxPages: 1 << 22,
} as const;

/** The answer to INIT: `struct fuse_init_out`. @throws {Errno} EPROTO: a kernel older than any we start */
export function negotiate(body: Body): Buffer {
  const major = body.u32();
  const minor = body.u32();
  const readahead = body.u32();
  const offered = body.u32();
  if (major !== protocol.major || minor < protocol.minor) throw new Errno("EPROTO");
  const flags = offered & Object.values(wanted).reduce((all, flag) => all | flag, 0);
  return pack(
    ...([protocol.major, protocol.minor, Math.min(readahead, maxTransfer), flags] as const).map(
      (value) => [32, value] as const,
    ),
    // Requests the kernel sends on its own account, and from when on it holds back.
    ...([16, 12] as const).map((value) => [16, value] as const),
    [32, maxTransfer],
    // Times are exact to the nanosecond.
    [32, 1],
    [16, maxTransfer / pageBytes],
    [16, 0],
    ...Array.from({ length: 8 }, () => [32, 0] as const),
  );
}
