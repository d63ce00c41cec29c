/** What a variable stands for; undefined: it is not set. */
export type Lookup = (name: string) => string | undefined;

const variable = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])((?:[^}\\]|\\.)*))?\})/;

/** Splits arguments as Dockerfiles write them: quotes and backslashes hold words together, variables are put in. Pure. */
export function splitWords(text: string, lookup: Lookup): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
      continue;
    }
    word ??= "";
    const match = char === "$" && quote !== "'" ? variable.exec(text.slice(at)) : null;
    if (match !== null) {
      word += valueOf(match, lookup);
      at += match[0].length;
    } else if (char === "\\" && quote !== "'" && at + 1 < text.length) {
      const next = text.charAt(at + 1);
      word += quote === '"' && !'"$\\'.includes(next) ? `\\${next}` : next;
      at += 2;
    } else if ((char === '"' || char === "'") && (quote === "" || quote === char)) {
      quote = quote === "" ? char : "";
      at += 1;
    } else {
      word += char;
      at += 1;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Puts variables into one value that is not split. */
export function expand(text: string, lookup: Lookup): string {
  return splitWords(text, lookup).join(" ");
}

/** `KEY=VALUE …`, or the old form `KEY VALUE`. Undefined: neither. */
export function splitPairs(text: string, lookup: Lookup): [string, string][] | undefined {
  const old = /^([^\s="']+)\s+(.*)$/s.exec(text);
  if (old !== null) return [[old[1] ?? "", expand(old[2] ?? "", lookup)]];
  const pairs = splitWords(text, lookup).map((word): [string, string] | undefined => {
    const equals = word.indexOf("=");
    return equals < 1 ? undefined : [word.slice(0, equals), word.slice(equals + 1)];
  });
  return pairs.length > 0 && pairs.every((pair) => pair !== undefined) ? pairs : undefined;
}

function valueOf([, plain, braced, operator, word = ""]: RegExpExecArray, lookup: Lookup): string {
  const value = lookup(plain ?? braced ?? "");
  const set = operator?.startsWith(":") === true ? value !== undefined && value !== "" : value !== undefined;
  if (operator?.endsWith("+") === true) return set ? expand(word, lookup) : "";
  return set ? (value ?? "") : operator === undefined ? "" : expand(word, lookup);
}
