import { CompileRefusal } from "./codes.js";
import type { Located } from "./evaluate.js";

/** Fields of a declaration whose names differ: as Python writes them, and as the declaration has them. */
const fields = {
  memory_mb: "memoryMb",
  disk_mb: "diskMb",
  guest_port: "guestPort",
  host_port: "hostPort",
  host_address: "hostAddress",
  ttl_seconds: "ttlSeconds",
  idle_seconds: "idleSeconds",
  timeout_seconds: "timeoutSeconds",
} as const;
const toDeclaration = new Map<string, string>(Object.entries(fields));
const toPython = new Map<string, string>(Object.entries(fields).map(([python, name]) => [name, python]));

/** Members with the names of a declaration; `None` is as good as left out. */
function renamed(members: ReadonlyMap<string, Located>): Map<string, Located> {
  const found = new Map<string, Located>();
  for (const [key, value] of members) {
    const python = toPython.get(key);
    if (python !== undefined) throw new CompileRefusal("E_UNKNOWN_FIELD", value.at, `In Python it is ${python}`);
    if (value.kind !== "value" || value.value !== null) found.set(toDeclaration.get(key) ?? key, value);
  }
  return found;
}

const within = (value: Located): Located => {
  if (value.kind === "list") return { ...value, items: value.items.map(within) };
  return value.kind === "object" ? { ...value, members: renamed(value.members) } : value;
};

/** A declaration of Python with the names TypeScript gives its fields: its own, those of `resources` and of `ports`. */
export function fromPython(members: ReadonlyMap<string, Located>): Map<string, Located> {
  const named = renamed(members);
  for (const key of ["resources", "ports"]) {
    const value = named.get(key);
    if (value !== undefined) named.set(key, within(value));
  }
  return named;
}

/** A sentence about fields, with the names Python has for them. */
export function inPython(detail: string): string {
  return detail.replace(/\b[a-z]+[A-Z][A-Za-z]*\b/g, (word) => toPython.get(word) ?? word);
}
