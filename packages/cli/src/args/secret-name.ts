import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** Name of a stored secret. What is none is never repeated: a value may have been typed by mistake. */
export const secretName: ArgType<string> = {
  label: "NAME",
  parse: (text) => {
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text)) return text;
    throw invalidArgument(
      'Cannot use a secret: its name is not up to 128 letters, digits, "_", "." or "-"',
      "The value is read from stdin, never from the command line",
    );
  },
};

/** Where a value comes from besides stdin: a variable of this process or a file of this host. */
export const secretSource: ArgType<{ readonly kind: "env" | "file"; readonly name: string }> = {
  label: "env:NAME|file:PATH",
  parse: (text) => {
    const match = /^(env|file):(.+)$/s.exec(text);
    if (match?.[2] !== undefined) return { kind: match[1] === "env" ? "env" : "file", name: match[2] };
    throw invalidArgument("Cannot read the secret: --from is neither env:NAME nor file:PATH");
  },
};

/** A host a value may be sent to; the daemon checks it. */
export const boundHost: ArgType<string> = {
  label: "HOST",
  parse: (text) => {
    if (text !== "" && text.length <= 255) return text;
    throw invalidArgument("Cannot bind the secret: the host is empty or too long");
  },
};
