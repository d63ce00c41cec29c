import { validateName, validateRef } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** A snapshot by its name or id. */
export const snapshotRef: ArgType<string> = { label: "SNAPSHOT", parse: validateRef };

/** The name of a snapshot that is to be saved. */
export const newSnapshotName: ArgType<string> = { label: "NAME", parse: validateName };
