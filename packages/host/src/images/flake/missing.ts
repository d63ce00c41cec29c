import { Readable } from "node:stream";
import { BuildError, type CommandResult } from "@mvm/protocol";
import type { Nix } from "./nix.js";

/** Most derivations that are looked into before a build; more only fail later, and say less. */
const mostDerivations = 4000;
const shown = 10;

/** A store path that a builder would have to fetch from the network. */
export interface FetchedPath {
  readonly path: string;
  /** Null: its fetcher does not say. */
  readonly url: string | null;
}

/** Paths of derivations that a dry run says it would build, in its order. */
export function plannedDerivations({ stderr }: Pick<CommandResult, "stderr">): string[] {
  const [, list = ""] = /derivations? will be built:\n((?: +\/nix\/store\/\S+\.drv\n?)+)/.exec(stderr) ?? [];
  return list.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
}

/**
 * Of derivations as `nix derivation show` prints them, the outputs that only a network can give: their hash is fixed, and their
 * builder is a fetcher. Nothing in the document is believed beyond being named in an error.
 */
export function fetchedPaths(document: unknown): FetchedPath[] {
  return Object.values(objectOf(document)).flatMap((value): FetchedPath[] => {
    const { outputs, env, builder } = objectOf(value);
    const settings = objectOf(env);
    const fetches = builder === "builtin:fetchurl" || ["url", "urls", "impureEnvVars"].some((name) => name in settings);
    const output = objectOf(Object.values(objectOf(outputs))[0]);
    if (!fetches || typeof output["hash"] !== "string" || typeof output["path"] !== "string") return [];
    const [url] = [settings["url"], settings["urls"]].filter((text) => typeof text === "string" && text !== "");
    return [{ path: output["path"].slice(0, 256), url: typeof url === "string" ? (url.split(/\s/)[0] ?? null) : null }];
  });
}

/**
 * Refuses a build that would end at the network it does not have, before anything is built.
 * @throws {BuildError} naming the store paths
 */
export async function requireFetchable(nix: Nix, what: string, dryRun: CommandResult): Promise<void> {
  const planned = plannedDerivations(dryRun).slice(0, mostDerivations);
  if (planned.length === 0) return;
  const { exitCode, stdout } = await nix.run(
    ["derivation", "show", "--stdin"],
    Readable.from([Buffer.from(`${planned.join("\n")}\n`)]),
  );
  const missing = exitCode === 0 ? fetchedPaths(parsed(stdout)) : [];
  if (missing.length === 0) return;
  const lines = missing
    .slice(0, shown)
    .map(({ path, url }) => (url === null ? path : `${path} from ${url.slice(0, 256)}`));
  if (missing.length > shown) lines.push(`and ${missing.length - shown} more`);
  const count = missing.length === 1 ? "a store path" : `${missing.length} store paths`;
  throw new BuildError({
    message: [
      `Cannot build ${what}: ${count} would come from the network, which this build does not have`,
      ...lines,
    ].join("\n"),
    hint: "Name a binary cache that has them with --substituter URL|FOLDER and its key with --trusted-key, or their hosts with --allow-host; where there is a network `nix copy --to file:///FOLDER` makes such a folder",
    operation: "images.build",
    context: { reason: "store_paths_missing", paths: missing.slice(0, shown).map(({ path }) => path) },
  });
}

/** Of a document that was cut off, nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
