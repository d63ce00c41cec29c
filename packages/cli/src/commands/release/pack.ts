import { packRelease, readPrivateKey } from "@mvm/images/release";
import { createError } from "@mvm/protocol/errors";
import { resolveHome } from "@mvm/sdk/client";
import { hostFile } from "../../args/host-path.js";
import { imageRef } from "../../args/image-ref.js";
import { command, list, option, word } from "../../command/define.js";
import { guestAgent } from "../../release/guest-agent.js";
import { printable } from "../../render/escape.js";
import { bytes } from "../../render/units.js";
import { narrator } from "../../stream/notices.js";
import { version } from "../../version.js";

export default command({
  summary: "Pack kernel, agent and images into a signed folder",
  description: [
    "Another host is set up from the folder, or from a server that offers its files: `setup --from`. It needs no Debian " +
      "mirror and no compiler then, only QEMU and bubblewrap. The signature is in the format of minisign.",
  ],
  positionals: [word("FOLDER", hostFile, "A new folder")],
  options: {
    key: option({ ...hostFile, label: "PEM" }, "Ed25519 private key that signs the release; required"),
    image: list(imageRef, "An image of this state root to pack", { defaultText: "python" }),
  },
  examples: [
    ["release pack /media/usb/mvm --key release.pem", "Packs the default image; prints the public key"],
    ["release pack out --key release.pem --image python --image node", "Packs two images"],
  ],
  run: async ({ words: [folder], options }, context) => {
    if (options.key === undefined) {
      throw createError("INVALID_ARGUMENT", {
        message: "Cannot pack a release without a key that signs it",
        hint: `Make one: openssl genpkey -algorithm ed25519 -out release.pem; then: mvmctl release pack ${folder} --key release.pem`,
      });
    }
    const privateKey = await readPrivateKey(options.key);
    const images = options.image.length === 0 ? ["python"] : options.image;
    const daemon = await context.daemon();
    for (const ref of images) {
      // An image that set-up made has no signed statement of its origin before somebody asks for it.
      const path = `/images/${encodeURIComponent(ref)}/provenance`;
      await daemon.call({ method: "GET", path, operation: "images.provenance" });
    }
    const tell = narrator(context);
    const { manifest, publicKey } = await packRelease({
      ...{ home: resolveHome(), folder, privateKey, images, version },
      agentPath: guestAgent(),
      signal: context.cancellation.signal,
      onProgress: (progress) => void tell.hear({ event: "progress", ...progress }),
    }).finally(() => tell.stop());
    const size = manifest.assets.reduce((sum, asset) => sum + asset.size, 0);
    const result = { folder, public_key: publicKey, size_bytes: size, ...manifest };
    return context.out.result(result, () =>
      [
        printable(`${folder}: mvm ${manifest.version}, ${manifest.assets.length} files, ${bytes(size)}`),
        "Hosts that trust this key can be set up from it:",
        ...publicKey.trimEnd().split("\n").map(printable),
      ].join("\n"),
    );
  },
});
