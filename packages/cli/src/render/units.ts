const steps = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
] as const;

/** A span as people read it, two units at most: `1h05m`, `42s`, `0s`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const at = steps.findIndex(([size]) => seconds >= size);
  const [size, unit] = steps[at] ?? [1, "s"];
  const next = at < 0 ? undefined : steps[at + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[0]);
  return `${Math.floor(seconds / size)}${unit}${rest > 0 && next ? `${String(rest).padStart(2, "0")}${next[1]}` : ""}`;
}

/** Bytes as people read them, in powers of 1024: `512M`, `1.5G`. */
export function bytes(count: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit > 0 ? Number(value.toFixed(1)) : Math.round(value)}${units[unit]}`;
}

/** Milliseconds with the precision that matters: `31.2 ms`, `1.24 s`. */
export function milliseconds(value: number): string {
  return value < 1000 ? `${Number(value.toFixed(1))} ms` : `${Number((value / 1000).toFixed(2))} s`;
}
