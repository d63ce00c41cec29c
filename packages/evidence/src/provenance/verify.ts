import type { KeyObject } from "node:crypto";
import type { Statement } from "../envelope/envelope.js";
import { type EnvelopeProblem, openEnvelope } from "../envelope/open.js";
import { type ImageProvenance, provenanceType } from "./statement.js";

/** Bytes of a statement's file; that of an image of many layers has some 50 KiB. */
export const maxProvenanceBytes = 8 * 1024 * 1024;

/** Why a statement does not prove what an image is. */
export type ProvenanceProblem =
  Exclude<EnvelopeProblem, "no_statement"> | "not_provenance" | "image_mismatch" | "sbom_mismatch";

export type ProvenanceVerdict =
  | { readonly ok: true; readonly key_id: string; readonly statement: ImageProvenance }
  | { readonly ok: false; readonly reason: ProvenanceProblem; readonly detail: string };

/** What the verifier has itself computed of the image at hand. Hex sha256. */
export interface ImageAtHand {
  readonly sha256: string;
  /** Of the bill of materials; undefined: there is none at hand. */
  readonly sbomSha256: string | undefined;
}

/**
 * Verifies that a statement is signed by a trusted key and is about this very image and its bill of materials. Never throws for
 * what the bytes hold.
 */
export function verifyProvenance(
  bytes: Uint8Array,
  trusted: readonly KeyObject[],
  image: ImageAtHand,
): ProvenanceVerdict {
  const opened = openEnvelope(bytes, trusted, maxProvenanceBytes);
  if (!opened.ok) {
    const { reason, detail } = opened;
    return reason === "no_statement" ? refuse("not_provenance", detail) : { ok: false, reason, detail };
  }
  const { subject, predicateType } = opened.statement;
  if (predicateType !== provenanceType)
    return refuse("not_provenance", "it is signed, but states something else than provenance");
  const subjects: readonly Partial<Statement["subject"][number]>[] = Array.isArray(subject) ? subject : [];
  if (subjects.length !== 1 || subjects[0]?.digest?.sha256 !== image.sha256)
    return refuse("image_mismatch", "its statement is about another image");
  const statement = opened.statement as unknown as ImageProvenance;
  const named = sbomOf(opened.statement);
  if (image.sbomSha256 !== undefined && named !== image.sbomSha256)
    return refuse("sbom_mismatch", "its bill of materials is not the one that is signed");
  return { ok: true, key_id: opened.key_id, statement };
}

/** Hex sha256 of the bill of materials that a statement names; undefined: none, in whatever form it says so. */
function sbomOf({ predicate }: Statement): string | undefined {
  const { runDetails } = predicate as { runDetails?: { byproducts?: unknown } };
  const byproducts: unknown[] = Array.isArray(runDetails?.byproducts) ? runDetails.byproducts : [];
  const named = byproducts.find((each) => (each as { name?: unknown } | null)?.name === "sbom");
  return (named as { digest?: { sha256?: string } } | undefined)?.digest?.sha256;
}

function refuse(reason: ProvenanceProblem, detail: string): ProvenanceVerdict {
  return { ok: false, reason, detail };
}
