import { validateImage } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";

/** An image by its name or digest. */
export const imageRef: ArgType<string> = { label: "REF", complete: "image", parse: validateImage };
