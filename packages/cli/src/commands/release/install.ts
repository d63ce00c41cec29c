import { installRelease, openSource } from "@mvm/images/release";
import { resolveHome } from "@mvm/sdk/client";
import { text } from "../../args/text.js";
import { command, flag, word } from "../../command/define.js";
import { trustFrom, trustOptions } from "../../release/trust.js";
import { printable } from "../../render/escape.js";
import { narrator } from "../../stream/notices.js";

export default command({
  summary: "Take kernel, agent and images from a release",
  description: [
    "The step of `setup --from` that fills the state root. Nothing is used before the signature and its digest hold; a " +
      "transfer that broke goes on where it broke.",
  ],
  positionals: [word("SOURCE", text("SOURCE"), "The release's folder, or its https or http URL")],
  options: {
    ...trustOptions,
    "allow-older": flag("Take a release that is older than the one this state root has"),
  },
  examples: [["release install /media/usb/mvm --key release.pub", "Fills the state root"]],
  exits: { 69: "A file is missing, changed, or not signed by the key" },
  run: async ({ words: [place], options }, context) => {
    const trust = await trustFrom(options, `release install ${place}`);
    const tell = narrator(context);
    const manifest = await installRelease({
      ...{ home: resolveHome(), trust, allowOlder: options["allow-older"] },
      source: await openSource(place),
      signal: context.cancellation.signal,
      onProgress: (progress) => void tell.hear({ event: "progress", ...progress }),
    }).finally(() => tell.stop());
    return context.out.result({ ...manifest }, () =>
      printable(`installed: mvm ${manifest.version} of ${manifest.created_at}`),
    );
  },
});
