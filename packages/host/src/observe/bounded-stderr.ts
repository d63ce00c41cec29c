import { copyFileSync, fstatSync, ftruncateSync, statSync, writeSync } from "node:fs";
import type { DestinationStream } from "pino";

const defaultMaxBytes = 4 * 1024 * 1024;

/**
 * Writes log lines to descriptor 2 and keeps the file behind it bounded, when it is `logFile`: at `maxBytes` the content
 * moves to `<logFile>.1` and the file starts anew. The descriptor stays the same (Node cannot redirect one), so whatever
 * else prints to stderr is bounded as well. The file must be open for appending.
 */
export function boundedStderr(logFile: string, maxBytes = defaultMaxBytes): DestinationStream {
  const rotates = isSameFile(logFile);
  let size = rotates ? fstatSync(2).size : 0;
  return {
    write(line: string) {
      try {
        size += writeSync(2, line);
        if (rotates && size > maxBytes) {
          copyFileSync(logFile, `${logFile}.1`);
          ftruncateSync(2, 0);
          size = 0;
        }
      } catch {
        // A full disk or a closed terminal must not stop the daemon; the line is lost.
      }
    },
  };
}

function isSameFile(path: string): boolean {
  try {
    const [here, there] = [fstatSync(2), statSync(path)];
    return here.ino === there.ino && here.dev === there.dev;
  } catch {
    return false;
  }
}
