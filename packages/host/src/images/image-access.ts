import process from "node:process";
import {
  buildImage,
  catalogue,
  imageLayout,
  openImageStore,
  parseReference,
  sourceOptionsFromEnvironment,
  type ResolvedImage,
} from "@mvm/images";
import { AssetError, AssetNotFoundError } from "@mvm/protocol";
import type { Progress } from "../backends/backend.js";
import type { Meters } from "../observe/meters.js";
import { VerifiedImages } from "./verified-images.js";

export interface BuildControl {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The images of the home as the daemon uses them: a catalogue image that is missing is built, once for all who wait. */
export interface ImageAccess {
  /** A verified image of that name or digest; builds it first when the catalogue knows it and the store does not. */
  ready(ref: string, control?: BuildControl): Promise<ResolvedImage>;
  /** Builds an image of the catalogue, also when there is one. Callers at the same time share one build. */
  build(name: string, control?: BuildControl): Promise<ResolvedImage>;
  /** The digest a name or digest stands for, without reading or building the image; null when it is not there or not whole. */
  digestOf(ref: string): Promise<string | null>;
  /** Refuses an image that no sandbox could have. @throws {AssetNotFoundError} neither the store nor the catalogue has it */
  require(ref: string): Promise<void>;
  list(): ReturnType<ReturnType<typeof openImageStore>["list"]>;
  inspect(ref: string): Promise<ResolvedImage>;
  remove(ref: string): Promise<ResolvedImage["record"]>;
}

/** @param meters counts what was there, and measures what is built */
export function openImages(home: string, meters: Meters): ImageAccess {
  const store = openImageStore(home);
  const verified = new VerifiedImages(imageLayout(home).refs);
  const builds = new Map<string, SharedBuild>();

  const build = (name: string, control: BuildControl = {}): Promise<ResolvedImage> => {
    const shared: SharedBuild =
      builds.get(name) ??
      new SharedBuild(home, name, meters.build(name), () => builds.get(name) === shared && builds.delete(name));
    builds.set(name, shared);
    return shared.join(control);
  };
  return {
    async ready(ref, control) {
      const known = verified.get(ref);
      if (known !== undefined) {
        meters.imageHit(known.record.digest);
        return known;
      }
      try {
        const image = await store.verify(ref);
        // What a place stands for changes without a file that says so.
        if (parseReference(ref).kind !== "origin") verified.remember(ref, image);
        meters.imageHit(image.record.digest);
        return image;
      } catch (error) {
        if (!(error instanceof AssetNotFoundError) || !catalogue.some(({ name }) => name === ref)) throw error;
        return await build(ref, control);
      }
    },
    build,
    async digestOf(ref) {
      const known = verified.get(ref);
      if (known !== undefined) return known.record.digest;
      try {
        return (await store.resolve(ref)).record.digest;
      } catch (error) {
        if (error instanceof AssetError) return null;
        throw error;
      }
    },
    async require(ref) {
      if (!catalogue.some(({ name }) => name === ref)) await store.resolve(ref);
    },
    list: () => store.list(),
    inspect: (ref) => store.resolve(ref),
    remove: (ref) => store.remove(ref),
  };
}

/** One build several callers wait for; it is cancelled when the last of them has gone. */
class SharedBuild {
  private readonly abort = new AbortController();
  private readonly listeners = new Set<(progress: Progress) => void>();
  private readonly result: Promise<ResolvedImage>;
  private waiting = 0;

  constructor(
    home: string,
    name: string,
    meter: ReturnType<Meters["build"]>,
    private readonly onEnd: () => void,
  ) {
    const onProgress = (progress: Progress): void => {
      meter.phase(progress.phase);
      this.listeners.forEach((listener) => listener(progress));
    };
    const source = sourceOptionsFromEnvironment(process.env);
    this.result = buildImage({ ...source, home, name, signal: this.abort.signal, onProgress }).finally(onEnd);
    this.result.then(
      ({ record: { digest } }) => meter.ended({ digest }),
      (error: unknown) => meter.ended({ error }),
    );
  }

  async join({ onProgress, signal }: BuildControl): Promise<ResolvedImage> {
    signal?.throwIfAborted();
    this.waiting += 1;
    if (onProgress !== undefined) this.listeners.add(onProgress);
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([this.result, aborted]);
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
      if (onProgress !== undefined) this.listeners.delete(onProgress);
      this.waiting -= 1;
      if (this.waiting === 0) {
        this.onEnd();
        this.abort.abort(signal?.reason);
      }
    }
  }
}
