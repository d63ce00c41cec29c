import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";
import { guestPath } from "./guest-path.js";
import { sandboxRef } from "./sandbox-ref.js";

/** One end of a copy. */
export type CopyPlace =
  | { readonly kind: "host"; readonly path: string }
  | { readonly kind: "guest"; readonly sandbox: string; readonly path: string };

/** `NAME:PATH` is in a sandbox, anything else on the host; `./a:b` names a host file with a colon. */
export const copyPlace: ArgType<CopyPlace> = {
  label: "PATH",
  complete: "file",
  parse: (text) => {
    const match = /^([^/:]+):(.*)$/s.exec(text);
    if (match?.[1] !== undefined && match[2] !== undefined) {
      return {
        kind: "guest",
        sandbox: sandboxRef.parse(match[1]),
        path: guestPath.parse(match[2] === "" ? "." : match[2]),
      };
    }
    if (text === "" || text.includes("\0")) throw invalidArgument("Cannot copy: a path is empty or holds a NUL");
    return { kind: "host", path: text };
  },
};
