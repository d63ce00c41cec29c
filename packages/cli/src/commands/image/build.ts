import type { BuildStreamEvent } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { text } from "../../args/text.js";
import { command, optionalWord } from "../../command/define.js";
import { buildRequest, recipeOptions } from "../../image/recipe.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { narrator } from "../../stream/notices.js";

type Built = Extract<BuildStreamEvent, { event: "built" }>;

export default command({
  summary: "Build an image: of the catalogue, with packages, from a Dockerfile or from a Nix flake",
  description: [
    "Whatever a build runs, runs inside a machine of its own, which reaches the package indexes and the hosts of --allow-host and nothing else. The same build again takes what was built before.",
  ],
  positionals: [
    optionalWord(
      "NAME|CONTEXT|FLAKE",
      text("NAME|CONTEXT|FLAKE"),
      "Name in the catalogue, the directory a Dockerfile copies from, or nix:DIRECTORY#ATTRIBUTE",
    ),
  ],
  options: recipeOptions,
  examples: [
    ["image build node", "Builds the node image of the catalogue"],
    ["image build --from python --pip 'requests==2.*' --tag web", "Adds a package to the python image"],
    ["image build -f Dockerfile . --tag app", "Builds what a Dockerfile says"],
    ["image build nix:./app#default --tag app", "Builds a Nix flake, without Nix on this host"],
  ],
  jsonLines: true,
  run: async ({ words: [word], options }, context) => {
    const request = buildRequest(word, options);
    const daemon = await context.daemon();
    const tell = narrator(context);
    let built: Built | undefined;
    try {
      for await (const event of daemon.events<BuildStreamEvent>({
        method: "POST",
        path: "/images",
        operation: "images.build",
        json: request,
      })) {
        if (event.event === "built") built = event;
        if (context.json) await context.out.jsonLine({ schema_version: 1, ...event });
        else if (event.event !== "built") await tell.hear(event);
      }
    } finally {
      tell.stop();
    }
    if (built === undefined) {
      throw createError("OUTCOME_UNKNOWN", {
        message: `Cannot tell whether image "${request.name}" was built: the answer ended early`,
      });
    }
    if (context.json || context.quiet) return;
    const { image, cache } = built;
    const how = cache?.hit === true ? "was built before" : "is built";
    if (cache?.reason != null) await context.out.note(`not taken from the cache: ${printable(cache.reason)}`);
    await context.out.stdout.write(
      `${printable(`${request.name} ${how}: ${image.digest}, ${bytes(image.size_bytes)}`)}\n`,
    );
  },
});
