/** Facts about an occurrence that are safe to log: ids, counts, names of states. Never argv, environment, output or content. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>;

const forbidden =
  /^(argv|args|shell|command|command_?line|env|environ|environment|std(in|out|err)(_?data|_?base64)?|data|body|content|payload|secrets?|value|password|token|authorization)$/i;
const maxEntries = 32;
const maxText = 1024;

/** Keeps what may be logged: known-harmless keys, primitive values, at most 32 entries of at most 1 024 characters. */
export function safeContext(context: Readonly<Record<string, unknown>> | undefined): ErrorContext {
  const kept: Record<string, string | number | boolean | null> = {};
  for (const [key, value] of Object.entries(context ?? {}).slice(0, maxEntries)) {
    if (key === "__proto__" || forbidden.test(key)) continue;
    if (typeof value === "string") kept[key] = value.slice(0, maxText);
    else if (value === null || typeof value === "boolean" || Number.isFinite(value)) kept[key] = value as number;
  }
  return kept;
}
