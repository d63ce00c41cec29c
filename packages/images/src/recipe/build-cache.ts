import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeJsonDurably } from "../durable.js";
import type { ImageLayout } from "../layout.js";
import { digestPattern } from "../manifest.js";
import { type ImageStore, type ResolvedImage } from "../store.js";
import { missReason, recipeKey, type RecipeParts } from "./recipe.js";

/** What a look into the cache gave: the image, or why there is none. */
export type CacheAnswer = { readonly image: ResolvedImage } | { readonly reason: string };

/**
 * Results of builds by the key of their recipe, and the recipe each name was built from last. Losing it costs time only:
 * what it names is verified before it is used.
 */
export class BuildCache {
  private readonly directory: string;

  constructor(
    layout: ImageLayout,
    private readonly store: ImageStore,
  ) {
    this.directory = join(layout.images, "builds");
  }

  /** @param use false: the caller wants a new build */
  async look(name: string, parts: RecipeParts, use: boolean): Promise<CacheAnswer> {
    if (!use) return { reason: "the cache was not to be used" };
    const entry = await this.read(`${recipeKey(parts)}.json`);
    const digest = entry?.["digest"];
    if (typeof digest !== "string" || !digestPattern.test(digest)) {
      return { reason: missReason(parts, partsOf(await this.read(`last-${name}.json`))) };
    }
    try {
      return { image: await this.store.verify(digest) };
    } catch {
      return { reason: "its result is gone or damaged" };
    }
  }

  /** After the image is whole and recorded. */
  async remember(name: string, parts: RecipeParts, digest: string): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await writeJsonDurably(join(this.directory, `${recipeKey(parts)}.json`), { schema_version: 1, digest });
    await writeJsonDurably(join(this.directory, `last-${name}.json`), { schema_version: 1, parts });
  }

  private async read(file: string): Promise<Record<string, unknown> | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(join(this.directory, file), "utf8"));
      return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch {
      return undefined;
    }
  }
}

function partsOf(entry: Record<string, unknown> | undefined): RecipeParts | undefined {
  const parts = entry?.["parts"] as Partial<RecipeParts> | undefined;
  const whole = typeof parts?.base === "string" && typeof parts.config === "string" && Array.isArray(parts.steps);
  return whole ? (parts as RecipeParts) : undefined;
}
