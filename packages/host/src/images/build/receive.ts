import { open } from "node:fs/promises";
import type { Progress } from "../../backends/backend.js";
import type { BuildMachine } from "./machine.js";

/** Largest file that is taken out of a machine. Bytes. */
export const maxBytes = 16 * 1024 ** 3;

/**
 * Takes a file out of the machine into a new one on the host. What comes is bytes, which nothing here looks into.
 * @param most bytes it may have. Default: 16 GiB
 * @returns its bytes
 */
export async function receive(
  machine: BuildMachine,
  path: string,
  file: string,
  onProgress?: (progress: Progress) => void,
  most = maxBytes,
): Promise<number> {
  const out = await open(file, "wx", 0o600);
  try {
    let done = 0;
    let told = 0;
    const bytes = await machine.get(path, most, async (data, at) => {
      // Pieces come faster than they are written: each goes to its own place.
      const { bytesWritten } = await out.write(data, 0, data.byteLength, at);
      if (bytesWritten !== data.byteLength) throw new Error("the disk takes no more");
      done += data.byteLength;
      if (done - told < 1 << 20) return;
      told = done;
      onProgress?.({ phase: "receive", done });
    });
    await out.sync();
    return bytes;
  } finally {
    await out.close();
  }
}
