import { isStorePath } from "@mvm/images";

/** The store path that `nix build --json` says it has built: `out`, or the only output there is. Undefined: it says nothing usable. */
export function builtPath(stdout: string): string | undefined {
  let built: unknown;
  try {
    built = JSON.parse(stdout);
  } catch {
    return undefined;
  }
  const [first, second] = Array.isArray(built) ? (built as unknown[]) : [];
  if (second !== undefined || typeof first !== "object" || first === null) return undefined;
  const { outputs } = first as { outputs?: unknown };
  if (typeof outputs !== "object" || outputs === null) return undefined;
  const { out, ...others } = outputs as Record<string, unknown>;
  const only = Object.values(others);
  const path = out ?? (only.length === 1 ? only[0] : undefined);
  return typeof path === "string" && isStorePath(path) ? path : undefined;
}

/** The store paths that `nix path-info --recursive --json` lists: an object by path, or, before 2.19, a list. */
export function closurePaths(stdout: string): string[] {
  let listed: unknown;
  try {
    listed = JSON.parse(stdout);
  } catch {
    return [];
  }
  if (typeof listed !== "object" || listed === null) return [];
  const paths = Array.isArray(listed)
    ? listed.map((entry: { path?: unknown } | null) => entry?.path)
    : Object.keys(listed);
  return paths.filter((path): path is string => typeof path === "string" && isStorePath(path)).sort();
}
