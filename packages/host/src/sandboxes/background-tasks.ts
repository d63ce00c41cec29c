import type { Logger } from "../observe/log.js";

/** Work nobody waits for, such as the destroy after a run: its failure is logged, and a stopping daemon lets it finish. */
export class BackgroundTasks {
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly log: Logger) {}

  run(name: string, work: () => Promise<unknown>): void {
    const task = work().then(
      () => undefined,
      (error: unknown) => {
        const { message, code } = error as { message?: string; code?: string };
        this.log.error({ task: name, code, err: message }, "background task failed");
      },
    );
    this.running.add(task);
    void task.finally(() => this.running.delete(task));
  }

  /** Resolves when all of them are done, those started meanwhile included. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
