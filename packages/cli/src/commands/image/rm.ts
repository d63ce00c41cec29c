import { imageRef } from "../../args/image-ref.js";
import { command, word } from "../../command/define.js";
import { printable } from "../../render/escape.js";

export default command({
  summary: "Remove an image and its templates",
  positionals: [word("REF", imageRef, "Name or digest of the image")],
  options: {},
  examples: [["image rm node", "Removes the node image"]],
  run: async ({ words: [ref] }, context) => {
    const daemon = await context.daemon();
    const { removed } = await daemon.call<{ removed: boolean }>({
      method: "DELETE",
      path: `/images/${encodeURIComponent(ref)}`,
      operation: "images.remove",
    });
    await context.out.result({ ref, removed }, () =>
      context.quiet ? "" : printable(removed ? `${ref} is removed` : `${ref} was already gone`),
    );
  },
});
