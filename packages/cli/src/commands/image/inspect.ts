import type { ImageInfo } from "@mvm/protocol";
import { imageRef } from "../../args/image-ref.js";
import { command, word } from "../../command/define.js";
import { facts } from "../../render/facts.js";

export default command({
  summary: "Show everything about one image",
  positionals: [word("REF", imageRef, "Name or digest of the image")],
  options: {},
  examples: [["image inspect python", "Shows digest, size, kernel, agent and templates"]],
  run: async ({ words: [ref] }, context) => {
    const daemon = await context.daemon();
    const image = await daemon.call<ImageInfo>({
      method: "GET",
      path: `/images/${encodeURIComponent(ref)}`,
      operation: "images.inspect",
    });
    await context.out.result(image, () => facts(image, context.out.stdout.columns));
  },
});
