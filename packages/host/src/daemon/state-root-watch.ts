import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { destroyIfFilesAreGone } from "../sandboxes/lost-files.js";
import type { Services } from "../sandboxes/services.js";

/** How often the state root is looked after. Milliseconds. */
const lookMs = 2_000;

export interface StateRootWatch {
  /** Whether the directory that this daemon has locked still has its name: whatever has the name now may be another daemon's. */
  isOurs(): boolean;
  close(): void;
}

/**
 * Looks after what the daemon cannot serve without and anybody may remove: the state root and the sandboxes' directories.
 * A machine whose directory is gone can be neither reached nor saved by anyone, so it is ended.
 * @param onLost called once, when the state root is no longer there; then nobody can find this daemon any more
 */
export function watchStateRoot(services: Services, onLost: (why: string) => void): StateRootWatch {
  const { root } = services.home;
  const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  const opened = fstatSync(fd);
  let closed = false;
  const isOurs = (): boolean => {
    const now = statSync(root, { throwIfNoEntry: false });
    return now !== undefined && now.ino === opened.ino && now.dev === opened.dev;
  };
  const look = async (): Promise<void> => {
    if (closed) return;
    if (!isOurs()) {
      clearInterval(timer);
      // One that was only moved has its detached machines with it: its next daemon takes them over.
      const deleted = fstatSync(fd).nlink === 0;
      services.log.fatal({ root, deleted }, "the state root is gone: ending");
      if (deleted)
        await Promise.all(services.registry.list().map((sandbox) => destroyIfFilesAreGone(services, sandbox)));
      onLost("the state root is gone");
      return;
    }
    for (const sandbox of services.registry.list()) {
      services.tasks.run("lost files", () => destroyIfFilesAreGone(services, sandbox));
    }
  };
  const timer = setInterval(() => services.tasks.run("state root", look), lookMs);
  timer.unref();
  return {
    isOurs,
    close() {
      clearInterval(timer);
      if (!closed) closeSync(fd);
      closed = true;
    },
  };
}
