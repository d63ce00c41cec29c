export { sha256 } from "./canonical/digest.js";
export { canonicalJson, parseCanonical, type Json } from "./canonical/json.js";
export { AuditLog, type AuditLogOptions, type ChainState } from "./chain/audit-log.js";
export { realDisk, type Disk } from "./chain/disk.js";
export {
  closes,
  entryLine,
  genesis,
  interruptedEvent,
  maxEntryBytes,
  parseEntry,
  type Actor,
  type Entry,
  type EntryFacts,
} from "./chain/entry.js";
export { headIsSignedBy, headText, parseHead, signHead, type Head } from "./chain/head.js";
export { isLocked } from "./chain/lock.js";
export { defaultTenant, isTenant } from "./chain/tenant.js";
export type { Appended } from "./chain/writer.js";
export {
  openDigestKey,
  openSigningKey,
  readPublicKeys,
  type KeyPurpose,
  type PublicKeys,
  type SigningKey,
} from "./keys/key-files.js";
export { keyId, parsePublicKey, publicPem } from "./keys/key-id.js";
export { rotateAndRecord } from "./keys/rotate.js";
export { rotateKey, type Rotated } from "./keys/rotation.js";
export {
  envelopeText,
  payloadType,
  signStatement,
  statementType,
  type Envelope,
  type Statement,
} from "./envelope/envelope.js";
export { openEnvelope, type EnvelopeProblem, type OpenedEnvelope } from "./envelope/open.js";
export { preAuthEncoding } from "./envelope/pae.js";
export { evidenceLayout, headName, logName, type EvidenceLayout } from "./layout.js";
export { findEntry, followEntries, lastEntries } from "./read/entries.js";
export { argvDigest } from "./receipt/argv-digest.js";
export { ReceiptFile } from "./receipt/file.js";
export {
  receiptStatement,
  receiptType,
  type ReceiptPredicate,
  type ReceiptStatement,
  type RunOutcome,
} from "./receipt/statement.js";
export {
  maxReceiptBytes,
  receiptMatchesEntry,
  verifyReceipt,
  type ReceiptProblem,
  type ReceiptVerdict,
} from "./receipt/verify.js";
export {
  builderId,
  buildTypes,
  provenanceStatement,
  provenanceType,
  type ImageProvenance,
  type ProvenanceFacts,
} from "./provenance/statement.js";
export {
  maxProvenanceBytes,
  verifyProvenance,
  type ProvenanceProblem,
  type ProvenanceVerdict,
} from "./provenance/verify.js";
export { verifyChain, type ChainToVerify } from "./verify/chain.js";
export type { ChainInvalid, ChainProblem, ChainValid, ChainVerdict } from "./verify/verdict.js";
