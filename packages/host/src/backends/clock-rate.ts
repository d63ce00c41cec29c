/** Two measurements of one counter differ by less. */
const tolerance = 0.001;

/**
 * Whether a guest that has measured one frequency of the time stamp counter keeps right time with the other. Null is a guest that
 * asks its host; undefined, of an older version, is not known and fits anything.
 */
export function sameClockRate(one: number | null | undefined, other: number | null | undefined): boolean {
  if (one === undefined || other === undefined) return true;
  if (one === null || other === null) return one === other;
  return Math.abs(one - other) <= other * tolerance;
}
