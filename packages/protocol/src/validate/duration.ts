import { invalid } from "./invalid.js";

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const whole = /^(?:\d{1,15}(?:\.\d{1,6})?(?:ms|s|m|h|d))+$/;
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/**
 * Milliseconds of `500ms`, `60s`, `30m`, `1h30m`, `1.5h`, `7d`. A number without a unit is refused: it would mean
 * seconds to some and milliseconds to others. `argument` names it in the `InvalidArgumentError`.
 */
export function parseDuration(text: string, argument = "duration"): number {
  if (!whole.test(text)) {
    throw invalid(
      argument,
      text,
      "a duration such as 500ms, 60s, 30m or 1h30m",
      /^\d+$/.test(text) ? `Write ${text.slice(0, 16)}s for seconds` : undefined,
    );
  }
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(part)) {
    milliseconds += Number(amount) * units[unit as keyof typeof units];
  }
  return Math.round(milliseconds);
}

/** The shortest exact text of a duration: `1h30m`, `45s`, `500ms`. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.round(milliseconds);
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"] as const) {
    const amount = Math.floor(rest / units[unit]);
    rest -= amount * units[unit];
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text || "0s";
}
