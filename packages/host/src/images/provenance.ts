import { envelopeText, provenanceStatement, signStatement } from "@mvm/evidence";
import { openImageStore, originsOf, type ResolvedImage } from "@mvm/images";
import type { Services } from "../sandboxes/services.js";

/** Media type of a DSSE envelope in JSON, as sigstore registers it. */
export const provenanceMediaType = "application/vnd.dsse.envelope.v1+json";

/**
 * Signs where an image comes from, once it is published; a statement of before is replaced, since the record was too. Never
 * rejects: whoever asks for the statement later gets one that says it was made from the record.
 */
export async function attest(services: Services, image: ResolvedImage, version: string): Promise<void> {
  await sign(services, image, version, "at_publication").catch((error: unknown) =>
    services.log.error({ image: image.record.digest, err: (error as Error).message }, "the provenance is not signed"),
  );
}

/**
 * The signed statement of an image, as it is stored. An image that has none, because set-up made it or an earlier version, gets
 * one from its record after its bytes are proved to be the recorded ones.
 * @throws {AssetNotFoundError | AssetChecksumError | SandboxDependencyError}
 */
export async function provenanceOf(services: Services, ref: string, version: string): Promise<string> {
  const store = openImageStore(services.home.root);
  const { record } = await store.resolve(ref);
  const known = await store.provenance(record.digest);
  if (known !== undefined) return known.toString("utf8");
  return await sign(services, await store.verify(record.digest), version, "from_the_record");
}

async function sign(
  { home, evidence }: Services,
  { record }: ResolvedImage,
  version: string,
  signed: "at_publication" | "from_the_record",
): Promise<string> {
  const statement = provenanceStatement({ ...originsOf(record), internal: { signed }, version });
  const text = envelopeText(signStatement(statement, evidence.keys.receipt));
  await openImageStore(home.root).keepProvenance(record.digest, text);
  return text;
}
