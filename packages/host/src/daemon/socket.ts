import { chmodSync, mkdirSync, renameSync, statSync, unlinkSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import type { Logger } from "../observe/log.js";

/** No longer than the final name, so that it fits wherever that does. */
const temporaryName = ".mvmd.new";
/** How often the socket's name is looked after. Milliseconds. */
const watchMs = 2_000;

export interface DaemonSocket {
  close(): void;
}

/**
 * Serves HTTP on a Unix socket of mode 0600. The socket gets its name only when it already listens, so a client never
 * finds one that refuses; a name that was removed from underneath is put back. There is no TCP listener.
 * @param mayBind whether the place is still this daemon's; asked before a name is put back
 */
export async function listenOnSocket(
  http: HttpServer,
  path: string,
  log: Logger,
  mayBind: () => boolean,
): Promise<DaemonSocket> {
  let current = await bind(http, path);
  // Node looks for heads that take too long once its server listens. This one is handed its connections and never does.
  http.emit("listening");
  let rebinding = false;
  const watch = setInterval(() => {
    if (rebinding || current.isStillThere() || !mayBind()) return;
    rebinding = true;
    log.warn("the daemon's socket was removed; binding it again");
    bind(http, path)
      .then(
        (next) => {
          current.server.close();
          current = next;
        },
        (error: Error) => log.error({ err: error.message }, "cannot bind the socket again"),
      )
      .finally(() => (rebinding = false));
  }, watchMs);
  watch.unref();
  return {
    close() {
      clearInterval(watch);
      current.server.close();
      if (current.isStillThere()) unlinkSync(path);
    },
  };
}

async function bind(http: HttpServer, path: string): Promise<{ server: Server; isStillThere: () => boolean }> {
  const directory = dirname(path);
  makeDirectory(directory);
  const temporary = join(directory, temporaryName);
  removeIfThere(temporary);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) =>
    http.emit("connection", socket),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: temporary, backlog: 511 }, resolve);
  });
  server.on("error", () => undefined);
  chmodSync(temporary, 0o600);
  const { ino, dev } = statSync(temporary);
  renameSync(temporary, path);
  return {
    server,
    isStillThere() {
      try {
        const at = statSync(path);
        return at.ino === ino && at.dev === dev;
      } catch {
        return false;
      }
    },
  };
}

/** Only itself: a state root that is gone is not made again underneath another daemon. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
