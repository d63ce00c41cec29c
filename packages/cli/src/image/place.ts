import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";

/**
 * A place as the daemon understands it, which has another working directory: paths become absolute, and what comes on stdin
 * becomes a private file that `remove` takes away.
 */
export async function absolutePlace(text: string): Promise<{ place: string; remove: () => Promise<void> }> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (text === "rootfs:-") {
    const directory = await mkdtemp(join(tmpdir(), "mvm-rootfs-"));
    const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
    try {
      const path = join(directory, "stdin.tar");
      await pipeline(process.stdin, createWriteStream(path, { flags: "wx", mode: 0o600 }));
      return { place: `rootfs:${path}`, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }
  const rootfs = /^rootfs:(.+)$/s.exec(text);
  if (rootfs !== null) return { place: `rootfs:${resolve(rootfs[1]!)}`, remove: nothing };
  const [, kind, path, tag = ""] = /^(docker-archive|oci-archive|oci):([^:]+)(:.*)?$/s.exec(text) ?? [];
  if (kind === undefined || path === undefined) return { place: text, remove: nothing };
  return { place: `${kind}:${resolve(path)}${tag}`, remove: nothing };
}
