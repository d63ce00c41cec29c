import type { IdempotencyKeys } from "../sandboxes/idempotency.js";
import type { Services } from "../sandboxes/services.js";

/** What the calls need besides the verbs. */
export interface ApiContext {
  readonly services: Services;
  readonly idempotency: IdempotencyKeys;
  readonly version: string;
  readonly startedAt: string;
  /** Starts the daemon's end; returns at once. */
  readonly stop: () => void;
}
