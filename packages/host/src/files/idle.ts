import { deadline, Timeout } from "@mvm/protocol";
import type { AgentStream } from "../agent/types.js";
import type { Live } from "../sandboxes/sandbox.js";

export interface IdleGuard {
  /** It is the guest's turn now: it has the whole patience again. */
  guestsTurn(): void;
  /** It is the client's turn: it may take as long as it keeps its connection. */
  clientsTurn(): void;
  /** Rejects with a Timeout when the guest did nothing for too long in its turn. */
  readonly late: Promise<never>;
}

/** Watches a file operation that goes back and forth; the guest's side of it has a deadline. Ends with `clientsTurn`. */
export function idleGuard(live: Live, stream: AgentStream, operation: string): IdleGuard {
  const patience = deadline("fileOpIdle", live.machine.identity.accel);
  let fail: (error: Error) => void = () => undefined;
  const late = new Promise<never>((_resolve, reject) => (fail = reject));
  late.catch(() => undefined);
  const giveUp = (): void => {
    stream.cancel();
    const message = `Cannot finish ${operation}: the guest did nothing for ${patience} ms`;
    fail(new Timeout({ message, operation, context: { phase: operation } }));
  };
  let timer = setTimeout(giveUp, patience);
  return {
    late,
    guestsTurn() {
      clearTimeout(timer);
      timer = setTimeout(giveUp, patience);
    },
    clientsTurn: () => clearTimeout(timer),
  };
}
