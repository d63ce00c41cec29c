import type { ArgType } from "../command/spec.js";
import { text } from "./text.js";

/** A file of the host. */
export const hostFile: ArgType<string> = { ...text("PATH"), complete: "file" };
