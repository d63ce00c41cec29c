import type { BuildStreamEvent, ImageInfo, ImagePullRequest } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { imageDigest } from "../../args/image-digest.js";
import { imageRef } from "../../args/image-ref.js";
import { secretName } from "../../args/secret-name.js";
import { text } from "../../args/text.js";
import { command, flag, option, word } from "../../command/define.js";
import { absolutePlace } from "../../image/place.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { defined } from "../../sandbox/options.js";
import { narrator } from "../../stream/notices.js";

export default command({
  summary: "Bring an image from a registry, an archive or a root file system",
  description: [
    "PLACE is [REGISTRY/]REPOSITORY[:TAG][@sha256:DIGEST], docker-archive:FILE[:TAG], oci:FOLDER[:TAG], oci-archive:FILE[:TAG], rootfs:FOLDER, rootfs:FILE or rootfs:- for a tar on stdin. " +
      "Every byte is checked against its digest; nothing of the image is unpacked or run on this host.",
  ],
  positionals: [word("PLACE", text("PLACE"), "Where the image is")],
  options: {
    tag: option(imageRef, "Name of the image here", { defaultText: "the last part of its name there" }),
    digest: option(imageDigest, "Digest the image must have"),
    credentials: option(secretName, "Stored secret with USER:PASSWORD, bound to the registry"),
    "plain-http": flag("Ask a registry that is not on this host over http"),
  },
  examples: [
    ["image pull alpine:3", "Brings an image of Docker Hub"],
    ["image pull registry.example.com/tools/app@sha256:… --credentials registry", "Brings exactly that image"],
    ["image pull docker-archive:app.tar --tag app", "Takes what `docker save` wrote"],
  ],
  run: async ({ words: [text], options }, context) => {
    const { place, remove } = await absolutePlace(text);
    const json: ImagePullRequest = {
      place,
      ...defined({ name: options.tag, digest: options.digest, credentials: options.credentials }),
      ...(options["plain-http"] && { plain_http: true }),
    };
    const tell = narrator(context);
    let image: ImageInfo | undefined;
    try {
      const daemon = await context.daemon();
      const events = daemon.events<BuildStreamEvent>({
        ...{ method: "POST", path: "/images/pull", operation: "images.pull", json },
      });
      for await (const event of events) {
        if (event.event === "built") image = event.image;
        else await tell.hear(event);
      }
    } finally {
      tell.stop();
      await remove();
    }
    if (image === undefined) {
      throw createError("OUTCOME_UNKNOWN", {
        message: "Cannot tell whether the image was pulled: the answer ended early",
      });
    }
    const pulled = image;
    await context.out.result(pulled, () =>
      context.quiet
        ? ""
        : printable(
            `${pulled.name} is pulled: ${pulled.digest}, ${bytes(pulled.size_bytes)}, from ${pulled.origin?.reference ?? ""}@${pulled.origin?.digest ?? ""}${signedBy(pulled)}`,
          ),
    );
  },
});

function signedBy({ origin }: ImageInfo): string {
  if (origin?.signature === undefined) return "";
  const { key, identity } = origin.signature;
  return `, signed by ${identity ?? `key ${key ?? ""}`}`;
}
