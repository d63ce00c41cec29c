import { verifyProvenance } from "@mvm/evidence";
import { openImageStore, originsOf } from "@mvm/images";
import { resolveHome } from "@mvm/sdk/client";
import { hostFile } from "../../args/host-path.js";
import { imageRef } from "../../args/image-ref.js";
import { command, option, word } from "../../command/define.js";
import { trustedKeys } from "../../evidence/places.js";
import { verificationFailed } from "../../evidence/verification.js";
import { sha256OfFile } from "../../host-file/digest.js";
import { facts } from "../../render/facts.js";

export default command({
  summary: "Verify that an image is what was signed of it",
  description: [
    "Hashes the image's file, compares it and the list of what is in it with the signed statement, and checks the signature. " +
      "Needs the image and a public key: no daemon, unless the image has no statement yet and the daemon has to sign one.",
  ],
  positionals: [word("REF", imageRef, "Name or digest of the image")],
  options: {
    key: option({ ...hostFile, label: "PUB" }, "Public key to trust, in PEM, instead of the state root's own"),
  },
  examples: [
    ["image verify python", "Verifies with the keys of this state root"],
    ["image verify python --key receipt.pub", "Verifies an image of a release with the key of who packed it"],
  ],
  exits: { 65: "The image does not verify; the reason is named" },
  run: async ({ words: [ref], options }, context) => {
    const store = openImageStore(resolveHome());
    const { record, path } = await store.resolve(ref);
    const what = `the image ${JSON.stringify(ref)}`;
    const digest = `sha256:${await sha256OfFile(path)}`;
    const fail = (reason: string, detail: string): Promise<number> =>
      verificationFailed(context, what, { image: record.digest, reason, detail });
    if (digest !== record.digest) return fail("image_mismatch", `its file has the digest ${digest}`);
    const stated = (await store.provenance(record.digest)) ?? (await signedNow(context, record.digest));
    const { sha256, sbom } = originsOf(record);
    // After the statement: a key of the state root may be as new as that.
    const { current, old } = trustedKeys("receipt", options.key);
    const trusted = [...(current === null ? [] : [current]), ...old];
    const verdict = verifyProvenance(stated, trusted, { sha256, sbomSha256: sbom.sha256 });
    if (!verdict.ok) return fail(verdict.reason, verdict.detail);
    const { buildDefinition, runDetails } = verdict.statement.predicate;
    const said = {
      image: record.digest,
      key_id: verdict.key_id,
      build_type: buildDefinition.buildType,
      builder: runDetails.builder.id,
      finished_at: runDetails.metadata.finishedOn,
      signed: buildDefinition.internalParameters["signed"],
      sbom_sha256: sbom.sha256,
      resolved_dependencies: buildDefinition.resolvedDependencies,
    };
    return context.out.result({ ok: true, ...said }, () => facts({ provenance: "verified", ...said }));
  },
});

/** The statement that the daemon makes of what this state root has recorded. */
async function signedNow(context: Parameters<typeof verificationFailed>[0], digest: string): Promise<Buffer> {
  const path = `/images/${encodeURIComponent(digest)}/provenance`;
  const daemon = await context.daemon();
  return Buffer.from(
    JSON.stringify(await daemon.call<object>({ method: "GET", path, operation: "images.provenance" })),
  );
}
