import type { LoadedVerb, Registry } from "../command/registry.js";
import { bashScript } from "./bash.js";
import { fishScript } from "./fish.js";
import { completionModel } from "./model.js";
import { zshScript } from "./zsh.js";

const writers = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** The completion script of a shell, made from the table of verbs. */
export function completionScript(
  shell: keyof typeof writers,
  registry: Registry,
  verbs: readonly LoadedVerb[],
): string {
  const groups = Object.fromEntries(
    Object.entries(registry).flatMap(([name, entry]) =>
      entry.kind === "group" ? [[name, { summary: entry.summary, verbs: Object.keys(entry.verbs) }]] : [],
    ),
  );
  return writers[shell]({ verbs: completionModel(verbs), groups });
}
