import { installRelease, openSource } from "@mvm/images/release";
import { createError } from "@mvm/protocol/errors";
import { resolveHome } from "@mvm/sdk/client";
import type { Context } from "../output/context.js";
import { narrator } from "../stream/notices.js";
import { trustFrom, type TrustValues } from "./trust.js";

/** Fills the state root from a release; the image a first machine is to be started from. */
export async function installFrom(
  place: string,
  trust: TrustValues,
  allowOlder: boolean,
  context: Context,
): Promise<string> {
  const tell = narrator(context);
  const manifest = await installRelease({
    ...{ home: resolveHome(), trust: await trustFrom(trust, `setup --from ${place}`), allowOlder },
    source: await openSource(place),
    signal: context.cancellation.signal,
    onProgress: (progress) => void tell.hear({ event: "progress", ...progress }),
  }).finally(() => tell.stop());
  const images = manifest.assets.flatMap(({ kind, name }) => (kind === "image" ? [name] : []));
  const image = images.includes("python") ? "python" : images[0];
  if (image !== undefined) return image;
  throw createError("ASSET_NOT_FOUND", {
    message: `Cannot set up from ${JSON.stringify(place)}: the release has no image`,
    hint: "Pack one with at least one: mvmctl release pack FOLDER --key KEY --image python",
  });
}
