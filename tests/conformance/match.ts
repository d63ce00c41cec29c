type Json = unknown;

const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const show = (value: Json): string => JSON.stringify(value)?.slice(0, 400) ?? "nothing";

const matchers: Record<string, (wanted: Json, value: Json) => boolean> = {
  $matches: (wanted, value) => typeof value === "string" && new RegExp(wanted as string, "s").test(value),
  $includes: (wanted, value) =>
    Array.isArray(value) && (wanted as Json[]).every((one) => value.some((item) => mismatch(one, item) === null)),
  $atLeast: (wanted, value) => typeof value === "number" && value >= (wanted as number),
  $present: (wanted, value) => (value !== undefined && value !== null) === wanted,
  $not: (wanted, value) => mismatch(wanted, value) !== null,
};

/** Why the value is not what is expected; null when it is. */
export function mismatch(expected: Json, value: Json, at = "it"): string | null {
  if (isObject(expected)) {
    const [[name, wanted] = ["", undefined]] = Object.entries(expected);
    const matcher = matchers[name];
    if (matcher !== undefined) return matcher(wanted, value) ? null : `${at} is ${show(value)}, not ${show(expected)}`;
    if (!isObject(value)) return `${at} is ${show(value)}, not an object`;
    for (const [key, one] of Object.entries(expected)) {
      const found = mismatch(one, value[key], `${at}.${key}`);
      if (found !== null) return found;
    }
    return null;
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(value) || value.length !== expected.length)
      return `${at} is ${show(value)}, not ${show(expected)}`;
    for (const [index, one] of expected.entries()) {
      const found = mismatch(one, value[index], `${at}[${index}]`);
      if (found !== null) return found;
    }
    return null;
  }
  return Object.is(expected, value) ? null : `${at} is ${show(value)}, not ${show(expected)}`;
}

/** The value with its `${name.field}` replaced; a text that is nothing else becomes the value itself. */
export function fill(value: Json, known: ReadonlyMap<string, Json>): Json {
  if (typeof value === "string") {
    const whole = /^\$\{([^}]+)\}$/.exec(value);
    if (whole) return look(whole[1] as string, known);
    return value.replace(/\$\{([^}]+)\}/g, (_, path: string) => String(look(path, known)));
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, known));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, known)]));
  return value;
}

function look(path: string, known: ReadonlyMap<string, Json>): Json {
  const [name = "", ...fields] = path.split(".");
  if (!known.has(name)) throw new Error(`the scenario uses \${${path}}, which no step before it has made`);
  const found = fields.reduce<Json>((at, field) => (at as Record<string, Json> | undefined)?.[field], known.get(name));
  if (found === undefined) throw new Error(`the scenario uses \${${path}}, which there is not`);
  return found;
}
