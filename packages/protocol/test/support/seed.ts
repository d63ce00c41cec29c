/** Seed of everything random in a test file; part of the tests' names, so that a failure can be repeated. */
export const seed = Number(process.env["MVM_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** A small fast generator (mulberry32); every value follows from the seed. */
export function randomOf(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
