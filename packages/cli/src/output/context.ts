import type { Daemon } from "../daemon/daemon.js";
import type { Cancellation } from "./cancellation.js";
import type { Output } from "./output.js";

/** What a verb's handler works with besides its input. */
export interface Context {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly out: Output;
  readonly cancellation: Cancellation;
  /** Connects to the daemon of this state root, starting it when it does not run. */
  readonly daemon: () => Promise<Daemon>;
  /** The same, but null where no daemon runs and the state root is untouched: there is nothing that one could tell of. */
  readonly daemonOfContents: () => Promise<Daemon | null>;
  /** Connects to the daemon if it runs; null otherwise. */
  readonly runningDaemon: () => Promise<Daemon | null>;
}
