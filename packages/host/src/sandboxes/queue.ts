import { VmCapacityError } from "@mvm/protocol/errors";

export interface StartQueueOptions {
  /** Starts that run at once. A start keeps a core busy; more of them only make each other late. */
  readonly slots: number;
  /** Longest wait for a place. Milliseconds. */
  readonly deadlineMs: number;
  /** Most starts that may wait; the next one is refused at once. */
  readonly maxWaiting: number;
  /** Undefined when a machine of this estimate fits into the host now, else a sentence with the numbers. */
  readonly roomFor: (needMb: number, reservedMb: number) => string | undefined;
  /** How often waiting starts look for room again. Milliseconds. */
  readonly retryMs?: number;
}

/** The right to run one start. Must be released exactly once; releasing again does nothing. */
export interface StartSlot {
  release(): void;
}

interface Waiting {
  readonly needMb: number;
  readonly grant: (slot: StartSlot) => void;
  readonly refuse: (error: unknown) => void;
}

/** Lets starts through in the order they came, as many at once as there are cores and as the memory allows. */
export class StartQueue {
  private readonly waiting: Waiting[] = [];
  private running = 0;
  private reservedMb = 0;
  private retry: NodeJS.Timeout | undefined;
  private lastObstacle = "all start slots are taken";

  constructor(private readonly options: StartQueueOptions) {}

  get depth(): number {
    return this.waiting.length;
  }

  /**
   * Waits for a slot.
   * @param needMb host memory the machine will take; counted while its start runs, afterwards the kernel counts it
   * @throws {VmCapacityError} the deadline passed, or too many are waiting
   * @throws the signal's reason when it aborts
   */
  async enter(needMb: number, signal?: AbortSignal): Promise<StartSlot> {
    signal?.throwIfAborted();
    if (this.waiting.length >= this.options.maxWaiting) {
      throw new VmCapacityError({
        message: `Cannot queue another start: ${this.waiting.length} are waiting already`,
        context: { waiting: this.waiting.length },
      });
    }
    return await new Promise<StartSlot>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        const at = this.waiting.indexOf(entry);
        if (at >= 0) this.waiting.splice(at, 1);
      };
      const entry: Waiting = {
        needMb,
        grant: (slot) => (leave(), resolve(slot)),
        refuse: (error) => (leave(), reject(error instanceof Error ? error : new Error("aborted")), this.pump()),
      };
      const onAbort = (): void => entry.refuse(signal?.reason);
      const timer = setTimeout(() => entry.refuse(this.late(needMb)), this.options.deadlineMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.waiting.push(entry);
      this.pump();
    });
  }

  /** Looks for room now: a machine has ended. */
  pump(): void {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      if (this.running >= this.options.slots) return void (this.lastObstacle = "all start slots are taken");
      const obstacle = this.options.roomFor(first.needMb, this.reservedMb);
      if (obstacle !== undefined) {
        this.lastObstacle = obstacle;
        this.retry ??= setTimeout(() => ((this.retry = undefined), this.pump()), this.options.retryMs ?? 250);
        return;
      }
      first.grant(this.take(first.needMb));
    }
  }

  private take(needMb: number): StartSlot {
    this.running += 1;
    this.reservedMb += needMb;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.running -= 1;
        this.reservedMb -= needMb;
        this.pump();
      },
    };
  }

  private late(needMb: number): VmCapacityError {
    return new VmCapacityError({
      message: `Cannot start a machine within ${this.options.deadlineMs} ms: ${this.lastObstacle}`,
      context: { need_mb: needMb, waiting: this.waiting.length, starting: this.running },
    });
  }
}
