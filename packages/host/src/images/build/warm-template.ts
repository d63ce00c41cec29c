import type { ImageStore, ResolvedImage } from "@mvm/images";
import type { Services } from "../../sandboxes/services.js";
import type { BuildOptions } from "./build.js";
import { BuildMachine } from "./machine.js";

/** What a store had before a build, as far as a build that fails at its very end has to put it back. */
export interface NamedBefore {
  /** What the name stood for; undefined: nothing. */
  readonly digest: string | undefined;
  readonly digests: ReadonlySet<string>;
}

export async function namedBefore(store: ImageStore, name: string): Promise<NamedBefore> {
  const digests = new Set((await store.list()).map(({ record }) => record.digest));
  const digest = await store.resolve(name).then(
    ({ record }) => record.digest,
    () => undefined,
  );
  return { digest, digests };
}

/**
 * Makes the template of a warm image, so that its first sandbox starts like every other, and a program that fails or never gets
 * ready fails the build: then the image goes again, and its name stands for what it stood for.
 */
export async function makeWarmTemplate(
  services: Services,
  store: ImageStore,
  { record: { name: recorded, digest } }: ResolvedImage,
  { name, before, signal, onProgress }: BuildOptions & { readonly name: string; readonly before: NamedBefore },
): Promise<void> {
  onProgress?.({ phase: "warm", detail: name });
  try {
    // The size of a sandbox that says nothing about its own.
    const how = { network: { default: "deny" as const, allow: [] }, size: {}, signal, onProgress };
    const machine = await BuildMachine.open(services, { name, image: `${recorded}@${digest}`, ...how });
    await machine.close();
  } catch (error) {
    if (!before.digests.has(digest)) await store.remove(digest);
    if (before.digest !== undefined) await store.point(name, before.digest);
    throw error;
  }
}
