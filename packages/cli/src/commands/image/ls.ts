import type { Catalogue, ImageInfo } from "@mvm/protocol";
import { command, flag } from "../../command/define.js";
import { type Column, table } from "../../render/table.js";
import { bytes, span } from "../../render/units.js";

export default command({
  summary: "List the images that exist",
  positionals: [],
  options: {
    all: flag("Also builds that a later one of the same name has superseded"),
    catalogue: flag("List those that can be built"),
  },
  examples: [
    ["image ls", "Lists the images"],
    ["image ls --all", "Lists superseded builds, too: they go with `image rm DIGEST`"],
    ["image ls --catalogue", "Lists what `image build` can build"],
  ],
  run: async ({ options }, context) => {
    const width = context.out.stdout.columns;
    if (options.catalogue) {
      const daemon = await context.daemon();
      const { images } = await daemon.call<Catalogue>({
        method: "GET",
        path: "/catalogue",
        operation: "images.catalogue",
      });
      const columns = [
        { heading: "NAME", cell: (image: Catalogue["images"][number]) => image.name },
        { heading: "DESCRIPTION", cell: (image: Catalogue["images"][number]) => image.description },
      ];
      return context.out.result({ images }, () => table(images, columns, width));
    }
    const daemon = await context.daemonOfContents();
    const { images: every } = (await daemon?.call<{ images: ImageInfo[] }>({
      method: "GET",
      path: "/images",
      operation: "images.list",
    })) ?? { images: [] };
    const images = options.all ? every : every.filter(({ superseded }) => superseded !== true);
    const columns: readonly Column<ImageInfo>[] = [
      { heading: "NAME", cell: (image) => image.name, least: 16 },
      { heading: "DIGEST", cell: (image) => image.digest.slice(0, 19), least: "whole", rank: 5 },
      { heading: "SIZE", cell: (image) => bytes(image.size_bytes), least: "whole" },
      {
        heading: "AGE",
        cell: (image) => (image.created_at === null ? "" : span(Date.now() - Date.parse(image.created_at))),
        least: "whole",
      },
      { heading: "TEMPLATES", cell: (image) => String(image.templates.length), least: "whole" },
    ];
    const origin = { heading: "SOURCE", cell: (image: ImageInfo) => image.origin?.reference ?? "", least: 3 };
    const shown = images.some((image) => image.origin !== undefined) ? [...columns, origin] : columns;
    return context.out.result({ images }, () => table(images, shown, width));
  },
});
