/** The boundary at which an operation was refused or failed. */
export type Boundary =
  | "client"
  | "transport"
  | "admission"
  | "policy"
  | "network"
  | "secret"
  | "filesystem"
  | "backend"
  | "guest"
  | "snapshot"
  | "cleanup";

/** Whether the same call may be made again: `safe` = automatically, `ask` = only if its effects allow, `never` = it fails again. */
export type Retry = "safe" | "ask" | "never";

/** What is known about the effects of the failed operation. */
export type Outcome = "not_started" | "completed" | "unknown";

/** One row of the error table: everything about a code that is not specific to one occurrence. */
export interface ErrorRow {
  /** Name of the class raised with this code, in every language. */
  readonly class: string;
  /** Default boundary; an occurrence may name a narrower one. */
  readonly boundary: Boundary;
  /** Default retry advice. */
  readonly retry: Retry;
  /** Default outcome; the place that raises it overrides this when it knows better. */
  readonly outcome: Outcome;
  /** Exit code of `mvmctl` when no guest result exists. */
  readonly exit: number;
  /** Status of the HTTP answer that carries it. */
  readonly http: number;
  /** One sentence for the documentation. */
  readonly meaning: string;
  /** What the caller can do; an occurrence may give a more precise one. */
  readonly hint: string;
  /** The same for a user of `mvmctl`, where the hint names calls or options of the SDKs. */
  readonly cliHint?: string;
}
