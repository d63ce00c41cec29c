import { text } from "./text.js";

/** A package with its versions, as its manager names it; the daemon checks it. */
export const packageSpec = text("PACKAGE");
