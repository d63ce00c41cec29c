import { printable } from "./escape.js";
import { fit, pad, widthOf } from "./width.js";

/** One column: its heading, its cell, and the width under which it is not squeezed. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** Columns are narrowed to this before any is dropped. Default 6. */
  readonly least?: number;
}

const gap = "  ";

/**
 * A table that fits `columns` (undefined: as wide as it needs, for pipes). The widest columns are narrowed first; when
 * that is not enough, columns are dropped from the right. Cells may come from a guest: they are escaped.
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  let shown = columns.map((column) => {
    const cells = [column.heading, ...rows.map((row) => printable(column.cell(row)) || "-")];
    return { cells, width: Math.max(...cells.map(widthOf)), least: column.least ?? 6 };
  });
  if (width !== undefined) {
    while (shown.length > 1 && total(shown.map((column) => Math.min(column.width, column.least))) > width) {
      shown = shown.slice(0, -1);
    }
    while (total(shown.map((column) => column.width)) > width) {
      const widest = shown.reduce((a, b) => (b.width - b.least > a.width - a.least ? b : a));
      if (widest.width <= 1) break;
      widest.width--;
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
