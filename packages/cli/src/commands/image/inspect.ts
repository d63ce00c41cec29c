import type { ImageInfo } from "@mvm/protocol";
import { imageRef } from "../../args/image-ref.js";
import { command, flag, word } from "../../command/define.js";
import { invalidArgument } from "../../errors.js";
import { facts } from "../../render/facts.js";

export default command({
  summary: "Show everything about one image",
  positionals: [word("REF", imageRef, "Name or digest of the image")],
  options: {
    sbom: flag("Print what is in it instead, as a CycloneDX 1.6 document in JSON"),
    provenance: flag("Print the signed statement about where it comes from instead, a DSSE envelope in JSON"),
  },
  examples: [
    ["image inspect python", "Shows digest, size, kernel, agent and templates"],
    ["image inspect python --sbom > python.cdx.json", "Keeps the list of its packages"],
    ["image inspect python --provenance > python.dsse.json", "Keeps what is signed of its origin"],
  ],
  run: async ({ words: [ref], options: { sbom, provenance } }, context) => {
    const daemon = await context.daemon();
    const path = `/images/${encodeURIComponent(ref)}`;
    if (sbom && provenance) throw invalidArgument("Cannot print two documents at once", "Ask for one, then the other");
    if (provenance) {
      const operation = "images.provenance";
      return await context.out.jsonLine(
        await daemon.call<object>({ method: "GET", path: `${path}/provenance`, operation }),
      );
    }
    if (sbom) {
      const document = await daemon.call<object>({ method: "GET", path: `${path}/sbom`, operation: "images.sbom" });
      return await context.out.jsonLine(document);
    }
    const image = await daemon.call<ImageInfo>({ method: "GET", path, operation: "images.inspect" });
    await context.out.result(image, () => facts(image, context.out.stdout.columns));
  },
});
