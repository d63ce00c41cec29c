import { constants } from "node:fs";
import { chmod, chown, link, mkdir, rename, rmdir, symlink, unlink } from "node:fs/promises";
import { Errno } from "./errno.js";
import { below, handleOn, openFile, release, statOf, through } from "./host-files.js";
import { isKeptWithin } from "./link-target.js";
import { nameOf } from "./name.js";
import type { Node, Nodes } from "./nodes.js";
import { type OpenFiles, openedAs } from "./open-files.js";
import { setAttributes } from "./set-attributes.js";
import type { SharedDirectory } from "./shared-directory.js";
import { type Body, Opcode, pack, packAttributeAnswer } from "./wire.js";

interface Place {
  readonly directory: SharedDirectory;
  readonly nodes: Nodes;
  readonly files: OpenFiles;
  /** Finds a file by its name and tells the guest of it. */
  readonly entry: (parent: Node, name: Buffer) => Promise<Buffer>;
}

type Act = (node: number, body: Body) => Promise<Buffer | undefined>;

const permissions = 0o777;

/** Everything that changes the directory, by its number in the protocol. */
export function changesOf({ directory, nodes, files, entry }: Place): [opcode: number, act: Act][] {
  /** Makes something below a directory, gives it to the directory's owner, and tells the guest of it. */
  const make = async (
    parentNumber: number,
    name: Buffer,
    mode: number | null,
    act: (path: Buffer) => Promise<unknown>,
  ): Promise<Buffer> => {
    const parent = nodes.get(parentNumber);
    return await nodes.use(parent, async (handle) => {
      await act(below(handle, name));
      await settle(directory, handle, name, mode);
      return await entry(parent, name);
    });
  };
  const remove = async (number: number, body: Body, act: (path: Buffer) => Promise<void>): Promise<undefined> => {
    const name = nameOf(body);
    await nodes.use(nodes.get(number), (handle) => act(below(handle, name)));
    return undefined;
  };
  const move = async (number: number, target: number, body: Body): Promise<undefined> => {
    const [oldName, newName] = [nameOf(body), nameOf(body)];
    const [from, to] = [nodes.get(number), nodes.get(target)];
    await nodes.use(from, (source) =>
      nodes.use(to, async (destination) => {
        await rename(below(source, oldName), below(destination, newName));
        const handle = await handleOn(below(destination, newName));
        try {
          nodes.moved(to, newName, await statOf(handle));
        } finally {
          release(handle);
        }
      }),
    );
    return undefined;
  };

  return [
    [
      Opcode.SETATTR,
      async (number, body) => {
        const node = nodes.get(number);
        return await nodes.use(node, async (handle) => {
          await setAttributes(handle, body);
          return packAttributeAnswer(number, await statOf(handle));
        });
      },
    ],
    [
      Opcode.MKDIR,
      async (number, body) => {
        const mode = body.u32() & permissions;
        const name = nameOf(body.skip(4));
        return await make(number, name, mode, (path) => mkdir(path, mode));
      },
    ],
    [
      Opcode.SYMLINK,
      async (number, body) => {
        const name = nameOf(body);
        const target = body.text();
        if (!isKeptWithin(target, nodes.depth(nodes.get(number)))) throw new Errno("EPERM");
        return await make(number, name, null, (path) => symlink(target, path));
      },
    ],
    [
      Opcode.LINK,
      async (number, body) => {
        const { parent, name: source } = nodes.get(body.u64());
        const name = nameOf(body);
        if (parent === null) throw new Errno("EPERM");
        return await nodes.use(parent, (handle) =>
          make(number, name, null, (path) => link(below(handle, source), path)),
        );
      },
    ],
    [
      Opcode.CREATE,
      async (number, body) => {
        const flags = body.u32();
        const mode = body.u32() & permissions;
        const name = nameOf(body.skip(8));
        const parent = nodes.get(number);
        return await nodes.use(parent, async (handle) => {
          const fd = await createOrOpen(below(handle, name), flags, mode, () => settle(directory, handle, name, mode));
          try {
            const told = await entry(parent, name);
            return Buffer.concat([told, openedAs(files.add(fd))]);
          } catch (error) {
            release(fd);
            throw error;
          }
        });
      },
    ],
    [
      Opcode.WRITE,
      async (_node, body) => {
        const [file, offset, size] = [body.u64(), body.u64(), body.u32()];
        const written = await files.write(file, offset, body.skip(20).data(size));
        return pack([32, written], [32, 0]);
      },
    ],
    [Opcode.UNLINK, (number, body) => remove(number, body, unlink)],
    [Opcode.RMDIR, (number, body) => remove(number, body, rmdir)],
    [Opcode.RENAME, (number, body) => move(number, body.u64(), body)],
    [
      Opcode.RENAME2,
      async (number, body) => {
        const target = body.u64();
        // Exchanging, or not replacing, is no system call of Node's; programs fall back to what is.
        if (body.u32() !== 0) throw new Errno("EINVAL");
        return await move(number, target, body.skip(4));
      },
    ],
  ];
}

/** Opens a regular file, making it where there is none. `made` is called for one that was not there. */
async function createOrOpen(path: Buffer, flags: number, mode: number, made: () => Promise<void>): Promise<number> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_TRUNC } = constants;
  const access = (flags & (accessMode | constants.O_APPEND | O_TRUNC)) | O_NOFOLLOW | O_NONBLOCK;
  try {
    const fd = await openFile(path, access | O_CREAT | O_EXCL, mode);
    await made().catch((error: unknown) => {
      release(fd);
      throw error;
    });
    return fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || (flags & O_EXCL) !== 0) throw error;
  }
  // What is opened is looked at before it is opened for anything: a pipe or a device is not touched.
  const handle = await handleOn(path);
  try {
    if (!(await statOf(handle)).isFile()) throw new Errno("EACCES");
    return await openFile(through(handle), access & ~O_NOFOLLOW);
  } finally {
    release(handle);
  }
}

const accessMode = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR;

/**
 * What was made has the mode the guest asked for, whatever the daemon's umask; and what a daemon of root makes belongs to whom
 * the directory belongs to, who could not change it otherwise.
 * @param mode null for what has none of its own
 */
async function settle({ stats }: SharedDirectory, parent: number, name: Buffer, mode: number | null): Promise<void> {
  const handle = await handleOn(below(parent, name));
  try {
    if (process.getuid?.() === 0) await chown(through(handle), Number(stats.uid), Number(stats.gid));
    if (mode !== null) await chmod(through(handle), mode);
  } finally {
    release(handle);
  }
}
