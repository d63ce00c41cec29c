import { validateName, validateRef } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** A snapshot by its name or id. */
export const snapshotRef: ArgType<string> = { label: "SNAPSHOT", parse: validateRef };

/** A snapshot, or an image, as an option says: the verb validates it. */
export const anyRef: ArgType<string> = { label: "SNAPSHOT", parse: (text) => text };

/** The name of a snapshot that is to be saved. */
export const newSnapshotName: ArgType<string> = { label: "NAME", parse: validateName };
