import { createHash } from "node:crypto";
import { isEmptyConfig, type ImageConfig } from "../image-config.js";
import type { PackageManager } from "../packages/wish.js";

/** One thing a build does inside its machine. Everything is resolved: nothing here depends on the host any more. */
export type BuildStep =
  | {
      readonly kind: "run";
      /** What the user wrote, for progress and errors. */
      readonly text: string;
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      readonly user: string;
    }
  | {
      readonly kind: "copy";
      readonly text: string;
      /** A tar of the sources on the host, under `0/`, `1/` …; and its sha256 in hex, which stands for it in the key. */
      readonly archive: string;
      readonly sha256: string;
      /** Absolute; a final slash means a directory. */
      readonly to: string;
      /** `user[:group]`. */
      readonly owner: string;
      readonly mode: string | null;
    }
  | {
      readonly kind: "copy-from";
      readonly text: string;
      readonly source: CopiedFrom;
      /** The key of the source's recipe in hex, which stands for it. */
      readonly sha256: string;
      /** Absolute in the source; `*`, `?` and `[…]` are patterns. */
      readonly paths: readonly string[];
      readonly to: string;
      readonly owner: string;
      readonly mode: string | null;
    }
  | { readonly kind: "directory"; readonly text: string; readonly path: string; readonly owner: string }
  | {
      readonly kind: "packages";
      readonly text: string;
      readonly manager: PackageManager;
      readonly specs: readonly string[];
      /** Where the manager looks. */
      readonly index: string;
    };

/** What a copy takes files from: an image, and what is done in a machine of it before. */
export interface CopiedFrom {
  /** `NAME@sha256:…`. */
  readonly image: string;
  readonly recipe: Recipe<BuildStep>;
}

/** A flake that Nix builds: the only step of its recipe. */
export interface FlakeRecipeStep {
  readonly kind: "flake";
  /** `nix:DIRECTORY#ATTRIBUTE`, with the directory's name alone. */
  readonly text: string;
  /** A tar of the flake's directory on the host, under `0/dir/`; and its sha256 in hex. */
  readonly archive: string;
  readonly sha256: string;
  readonly attribute: string;
  /** Addresses of binary caches that store paths may come from. */
  readonly substituters: readonly string[];
  /** Keys that binary caches are believed by besides Nix's own, `NAME:KEY`. */
  readonly trustedKeys: readonly string[];
}

export type RecipeStep = BuildStep | FlakeRecipeStep;

/** A build as a whole: the same recipe gives the same image, as far as its own commands do. */
export interface Recipe<Step extends RecipeStep = RecipeStep> {
  /** `sha256:…` of the image it starts from. */
  readonly base: string;
  readonly steps: readonly Step[];
  readonly config: ImageConfig;
}

/** Raised when the same recipe gives another image than before. */
const format = 1;

/** What of a recipe decides over its result, part by part: the last build of a name is compared with it. */
export interface RecipeParts {
  readonly base: string;
  readonly steps: readonly { readonly text: string; readonly sha256: string }[];
  readonly config: string;
}

/** @param tools digest of the programs that pack the image */
export function recipeParts(recipe: Recipe, tools: string): RecipeParts {
  return {
    base: recipe.base,
    // What is undefined is left out of JSON: neither wording nor a place on the host decides anything.
    steps: recipe.steps.map((step) => ({
      text: step.text,
      sha256: digest({ ...step, text: undefined, archive: undefined, source: undefined }),
    })),
    config: digest({ format, tools, config: isEmptyConfig(recipe.config) ? null : recipe.config }),
  };
}

/** Hex sha256: the name of the result in the cache. */
export function recipeKey(parts: RecipeParts): string {
  const steps = parts.steps.map(({ sha256 }) => sha256);
  return digest({ format, base: parts.base, steps, config: parts.config });
}

/** Why the result is not in the cache, in one sentence for the user. */
export function missReason(now: RecipeParts, before: RecipeParts | undefined): string {
  if (before === undefined) return "nothing was built under this name before";
  if (now.base !== before.base) return "the image it starts from is another one";
  for (const [index, step] of now.steps.entries()) {
    const old = before.steps[index];
    if (old?.sha256 === step.sha256) continue;
    const place = `step ${index + 1} (${shorten(step.text)})`;
    if (old === undefined) return `${place} is new`;
    return old.text === step.text ? `what ${place} brings has changed` : `${place} was ${shorten(old.text)}`;
  }
  if (now.steps.length < before.steps.length) return "it has fewer steps";
  return now.config === before.config ? "its result is gone" : "its settings or the packing tools have changed";
}

function shorten(text: string): string {
  const line = text.split("\n", 1)[0] ?? "";
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function digest(value: unknown): string {
  return createHash("sha256").update(stable(value)).digest("hex");
}

/** JSON with sorted keys. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
