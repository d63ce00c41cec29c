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
export { evidenceLayout, headName, logName, type EvidenceLayout } from "./layout.js";
export { findEntry, followEntries, lastEntries } from "./read/entries.js";
export { argvDigest } from "./receipt/argv-digest.js";
export { envelopeText, maxReceiptBytes, payloadType, signReceipt, type Envelope } from "./receipt/envelope.js";
export { ReceiptFile } from "./receipt/file.js";
export { preAuthEncoding } from "./receipt/pae.js";
export {
  receiptStatement,
  receiptType,
  statementType,
  type ReceiptPredicate,
  type ReceiptStatement,
  type RunOutcome,
} from "./receipt/statement.js";
export { receiptMatchesEntry, verifyReceipt, type ReceiptProblem, type ReceiptVerdict } from "./receipt/verify.js";
export { verifyChain, type ChainToVerify } from "./verify/chain.js";
export type { ChainInvalid, ChainProblem, ChainValid, ChainVerdict } from "./verify/verdict.js";
