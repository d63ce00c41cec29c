import type { VerbModel } from "./model.js";

/** Everything a completion script is made from. */
export interface CompletionTable {
  readonly verbs: readonly VerbModel[];
  readonly groups: Readonly<Record<string, { readonly summary: string; readonly verbs: readonly string[] }>>;
}

/** Shell code that prints the names of the sandboxes, one a line; silent when there is no daemon to ask. */
export const sandboxNames = `mvmctl ls --json 2>/dev/null | tr ',{' '\\n\\n' | sed -n 's/^"name":"\\([A-Za-z0-9_.-]*\\)".*/\\1/p'`;

/** Shell code that prints the names of the images, one a line. */
export const imageNames = `mvmctl image ls --json 2>/dev/null | tr ',{' '\\n\\n' | sed -n 's/^"name":"\\([A-Za-z0-9_.-]*\\)".*/\\1/p'`;

/** Text inside single quotes of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
