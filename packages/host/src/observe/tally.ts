/** The only labels a metric may have. What is not in this list (ids, names, paths, hosts, argv) labels nothing. */
export const labelNames = ["backend", "state", "profile", "result", "image"] as const;
export type Labels = Readonly<Partial<Record<(typeof labelNames)[number], string>>>;

/** Combinations of labels in one tally; images come and go, the daemon stays. What comes beyond has no labels. */
const maxRows = 500;

/** A number for each combination of labels. */
export class Tally {
  private readonly rows = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels, value = 1): void {
    const wanted = labelNames.map((name) => labels[name] ?? "").join("\0");
    const known = this.rows.has(wanted) || this.rows.size < maxRows;
    const key = known ? wanted : "";
    const row = this.rows.get(key) ?? { labels: known ? { ...labels } : {}, value: 0 };
    row.value += value;
    this.rows.set(key, row);
  }

  list(): { readonly labels: Labels; readonly value: number }[] {
    return [...this.rows.values()];
  }
}
