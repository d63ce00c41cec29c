import type { CodeLanguage } from "@mvm/protocol";
import { invalidArgument } from "../errors.js";
import type { ArgType } from "../command/spec.js";

const languages: Readonly<Record<string, CodeLanguage>> = {
  python: "python",
  py: "python",
  javascript: "javascript",
  js: "javascript",
};

/** A language code can be run in. */
export const language: ArgType<CodeLanguage> = {
  label: "LANGUAGE",
  complete: ["python", "javascript"],
  parse: (text) => {
    const found = Object.hasOwn(languages, text) ? languages[text] : undefined;
    if (found !== undefined) return found;
    throw invalidArgument(`Cannot run code in that language: it is neither python nor javascript`);
  },
};
