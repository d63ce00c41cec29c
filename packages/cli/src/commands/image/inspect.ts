import type { ImageInfo } from "@mvm/protocol";
import { imageRef } from "../../args/image-ref.js";
import { command, flag, word } from "../../command/define.js";
import { facts } from "../../render/facts.js";

export default command({
  summary: "Show everything about one image",
  positionals: [word("REF", imageRef, "Name or digest of the image")],
  options: {
    sbom: flag("Print what is in it instead, as a CycloneDX 1.6 document in JSON"),
  },
  examples: [
    ["image inspect python", "Shows digest, size, kernel, agent and templates"],
    ["image inspect python --sbom > python.cdx.json", "Keeps the list of its packages"],
  ],
  run: async ({ words: [ref], options: { sbom } }, context) => {
    const daemon = await context.daemon();
    const path = `/images/${encodeURIComponent(ref)}`;
    if (sbom) {
      const document = await daemon.call<object>({ method: "GET", path: `${path}/sbom`, operation: "images.sbom" });
      return await context.out.jsonLine(document);
    }
    const image = await daemon.call<ImageInfo>({ method: "GET", path, operation: "images.inspect" });
    await context.out.result(image, () => facts(image, context.out.stdout.columns));
  },
});
