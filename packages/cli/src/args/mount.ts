import { resolve } from "node:path";
import type { Mount } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** `HOST:GUEST[:ro|rw]`: a host directory, relative to the working directory or absolute, at an absolute guest path. */
export const mount: ArgType<Mount> = {
  label: "HOST:GUEST[:ro|rw]",
  complete: "directory",
  parse: (text) => {
    const match = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/s.exec(text);
    if (match?.[1] === undefined || match[2] === undefined || text.includes("\0")) {
      throw invalidArgument(
        `Cannot mount "${text.slice(0, 128)}": it is not HOST:GUEST[:ro|rw] with an absolute guest path`,
        "Write it like ./data:/data:ro",
      );
    }
    return { host: resolve(match[1]), guest: match[2], mode: match[3] === "rw" ? "rw" : "ro" };
  },
};
