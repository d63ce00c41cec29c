/** Which snapshots' files are being used: those are not removed. */
export class Holds {
  private readonly counts = new Map<string, number>();

  has(id: string): boolean {
    return this.counts.has(id);
  }

  /** Call what is returned, once, when the files are no longer used. */
  take(id: string): () => void {
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    return () => {
      const left = (this.counts.get(id) ?? 1) - 1;
      if (left > 0) this.counts.set(id, left);
      else this.counts.delete(id);
    };
  }
}
