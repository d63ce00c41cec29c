import { verifyRelease } from "@mvm/images/release";
import { text } from "../../args/text.js";
import { command, word } from "../../command/define.js";
import { trustFrom, trustOptions } from "../../release/trust.js";
import { printable } from "../../render/escape.js";
import { narrator } from "../../stream/notices.js";

export default command({
  summary: "Verify a release's signature and every digest",
  description: ["Reads every file once; changes nothing on this host."],
  positionals: [word("SOURCE", text("SOURCE"), "The release's folder, or its https or http URL")],
  options: trustOptions,
  examples: [["release verify /media/usb/mvm --key release.pub", "Says whether the folder is whole"]],
  exits: { 69: "A file is missing, changed, or not signed by the key" },
  run: async ({ words: [place], options }, context) => {
    const trust = await trustFrom(options, `release verify ${place}`);
    const tell = narrator(context);
    const manifest = await verifyRelease({
      ...{ place, trust },
      signal: context.cancellation.signal,
      onProgress: (progress) => void tell.hear({ event: "progress", ...progress }),
    }).finally(() => tell.stop());
    return context.out.result({ ok: true, ...manifest }, () =>
      printable(`verified: mvm ${manifest.version} of ${manifest.created_at}, ${manifest.assets.length} files`),
    );
  },
});
