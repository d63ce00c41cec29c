import { statSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedImage } from "@mvm/images";

const remembered = 64;

/**
 * Images that were verified by this process, as long as neither the name's reference nor the image's file has changed since.
 * Asking the store takes a handful of trips through the thread pool; two stat calls take microseconds, and every start of a
 * machine makes them. Writing to a file changes its ctime, which no call can set back.
 */
export class VerifiedImages {
  private readonly byRef = new Map<string, { readonly key: string; readonly image: ResolvedImage }>();

  /** @param refs directory with one file a name, which says which digest it stands for */
  constructor(private readonly refs: string) {}

  get(ref: string): ResolvedImage | undefined {
    const known = this.byRef.get(ref);
    if (known === undefined) return undefined;
    if (this.keyOf(ref, known.image) === known.key) return known.image;
    this.byRef.delete(ref);
    return undefined;
  }

  remember(ref: string, image: ResolvedImage): void {
    const key = this.keyOf(ref, image);
    const oldest = this.byRef.keys().next().value;
    if (this.byRef.size >= remembered && oldest !== undefined) this.byRef.delete(oldest);
    if (key !== undefined) this.byRef.set(ref, { key, image });
  }

  private keyOf(ref: string, image: ResolvedImage): string | undefined {
    const file = fileKey(image.path);
    // A reference by digest has no such file; then the image's own file says it all.
    const name = /^[a-z0-9][a-z0-9._-]*$/.test(ref) ? fileKey(join(this.refs, `${ref}.json`)) : "";
    return file === undefined ? undefined : `${file} ${name ?? ""}`;
  }
}

function fileKey(path: string): string | undefined {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(":");
  } catch {
    return undefined;
  }
}
