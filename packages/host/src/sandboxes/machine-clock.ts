/** Counts the time a machine runs: a pause stops it, as it stops the guest's own clocks. Milliseconds. */
export class MachineClock {
  private counted = 0;
  private since: number | undefined = performance.now();

  /** Milliseconds the machine has run. */
  get now(): number {
    return this.counted + (this.since === undefined ? 0 : performance.now() - this.since);
  }

  get running(): boolean {
    return this.since !== undefined;
  }

  stop(): void {
    this.counted = this.now;
    this.since = undefined;
  }

  go(): void {
    this.since ??= performance.now();
  }
}
