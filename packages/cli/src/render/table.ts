import { printable } from "./escape.js";
import { fit, pad, widthOf } from "./width.js";

/** One column: its heading, its cell, and what becomes of it where there is no room. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** It is narrowed to this before any column is left out; `whole`: never, as a part of it would say nothing. Default 6. */
  readonly least?: number | "whole";
  /** Columns of the greatest rank are narrowed and left out first. Default: its place, so that the rightmost goes first. */
  readonly rank?: number;
}

const gap = "  ";

/**
 * A table that fits `columns` (undefined: as wide as it needs, for pipes). Columns are narrowed as far as they say, and
 * left out where that is not enough, the least important ones first. Cells may come from a guest: they are escaped.
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  let shown = columns.map(({ heading, cell, least = 6, rank }, place) => {
    const cells = [heading, ...rows.map((row) => printable(cell(row)) || "-")];
    const natural = Math.max(...cells.map(widthOf));
    return {
      cells,
      width: natural,
      least: least === "whole" ? natural : Math.min(least, natural),
      rank: rank ?? place,
    };
  });
  if (width !== undefined) {
    const byImportance = shown.toSorted((a, b) => b.rank - a.rank);
    const kept = new Set(shown);
    const leastOf = () => total([...kept].map(({ least }) => least));
    while (kept.size > 1 && leastOf() > width) {
      const next = byImportance.find((column) => kept.has(column));
      if (next !== undefined) kept.delete(next);
    }
    shown = shown.filter((column) => kept.has(column));
    for (const column of byImportance.filter((each) => kept.has(each))) {
      const excess = total(shown.map((each) => each.width)) - width;
      column.width = Math.max(column.width - Math.max(excess, 0), shown.length === 1 ? 1 : column.least);
    }
  }
  const lines = Array.from({ length: rows.length + 1 }, (_, index) =>
    shown
      .map((column) => pad(fit(column.cells[index] ?? "", column.width), column.width))
      .join(gap)
      .trimEnd(),
  );
  return lines.join("\n");
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1);
}
