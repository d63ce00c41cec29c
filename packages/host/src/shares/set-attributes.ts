import { chmod, truncate, utimes } from "node:fs/promises";
import { Errno } from "./errno.js";
import { statOf, through } from "./host-files.js";
import { type Body, guestOwner } from "./wire.js";

/** Bits of `fattr.valid`. */
const given = { mode: 1, uid: 2, gid: 4, size: 8, atime: 16, mtime: 32, atimeNow: 128, mtimeNow: 256 } as const;

const permissions = 0o777;

/** Does what a SETATTR asks of the file a handle is on (`struct fuse_setattr_in`). Owners are not the guest's to change. */
export async function setAttributes(handle: number, body: Body): Promise<void> {
  const valid = body.u32();
  const size = body.skip(4 + 8).u64();
  const [atime, mtime] = [body.skip(8).i64(), body.i64()];
  const [atimeRest, mtimeRest] = [body.skip(8).u32(), body.u32()];
  const mode = body.skip(4).u32();
  const [uid, gid] = [body.skip(4).u32(), body.u32()];
  const asks = (bit: number): boolean => (valid & bit) !== 0;

  if ((asks(given.uid) && uid !== guestOwner) || (asks(given.gid) && gid !== guestOwner)) throw new Errno("EPERM");
  if (asks(given.mode)) await chmod(through(handle), mode & permissions);
  if (asks(given.size)) {
    if (!(await statOf(handle)).isFile()) throw new Errno("EINVAL");
    await truncate(through(handle), size);
  }
  if (!asks(given.atime) && !asks(given.mtime)) return;
  const stats = await statOf(handle);
  const time = (wanted: number, now: number, seconds: number, rest: number, otherwise: bigint): number => {
    if (asks(now)) return Date.now() / 1000;
    return asks(wanted) ? seconds + rest / 1e9 : Number(otherwise) / 1e9;
  };
  await utimes(
    through(handle),
    time(given.atime, given.atimeNow, atime, atimeRest, stats.atimeNs),
    time(given.mtime, given.mtimeNow, mtime, mtimeRest, stats.mtimeNs),
  );
}
