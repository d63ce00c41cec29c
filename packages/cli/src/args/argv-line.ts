import type { ArgType } from "../command/spec.js";
import { text } from "./text.js";

/** A command line for the guest's shell, as the argv that runs it. */
export const shellLine: ArgType<string[]> = {
  label: "COMMAND",
  parse: (line) => ["/bin/sh", "-c", text("COMMAND").parse(line)],
};
