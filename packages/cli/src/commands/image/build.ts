import type { BuildStreamEvent, ImageInfo } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { imageRef } from "../../args/image-ref.js";
import { command, word } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { narrator } from "../../stream/notices.js";

export default command({
  summary: "Build an image of the catalogue and its template",
  positionals: [word("NAME", imageRef, "Name in the catalogue; `image ls --catalogue` lists them")],
  options: {},
  examples: [["image build node", "Builds the node image"]],
  run: async ({ words: [name] }, context) => {
    const daemon = await context.daemon();
    const tell = narrator(context);
    let image: ImageInfo | undefined;
    try {
      for await (const event of daemon.events<BuildStreamEvent>({
        method: "POST",
        path: "/images",
        operation: "images.build",
        json: { name },
      })) {
        if (event.event === "built") image = event.image;
        else await tell.hear(event);
      }
    } finally {
      tell.stop();
    }
    if (image === undefined) {
      throw createError("OUTCOME_UNKNOWN", {
        message: `Cannot tell whether image "${name}" was built: the answer ended early`,
      });
    }
    const built = image;
    await context.out.result(built, () =>
      context.quiet ? "" : printable(`${built.name} is built: ${built.digest}, ${bytes(built.size_bytes)}`),
    );
  },
});
