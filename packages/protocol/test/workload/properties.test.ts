import { expect, test } from "vitest";
import fc from "fast-check";
import { irHash, lowerDeclaration, parseWorkload, validateWorkload, type Workload } from "../../src/workload/index.js";
import { randomOf, seed } from "../support/seed.js";
import { copy, declaration, full, least } from "./samples.js";

const random = randomOf(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

test(`any value is judged without a throw (seed ${seed})`, () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSparseArray: true,
  });
  fc.assert(
    fc.property(anything, fc.nat(30), (value, at) => {
      expect(validateWorkload(value).length).toBeGreaterThan(0);
      const app = { ...full.apps[0], [Object.keys(full.apps[0] ?? {})[at] ?? "extra"]: value };
      validateWorkload({ ...full, apps: [app] });
      lowerDeclaration(value);
      lowerDeclaration({ ...declaration, [Object.keys(declaration)[at] ?? "extra"]: value });
    }),
    { numRuns: 2000, seed },
  );
});

test(`mutated documents are refused by code, or mean what their normal form says (seed ${seed})`, () => {
  const original = bytes(full);
  let accepted = 0;
  for (let round = 0; round < 20_000; round++) {
    const mutated = Uint8Array.from(original);
    for (let changes = 1 + below(3); changes > 0; changes--) mutated[below(mutated.length)] = below(256);
    const { workload, problems } = parseWorkload(mutated);
    if (workload === null) {
      expect(problems.length).toBeGreaterThan(0);
      continue;
    }
    accepted++;
    const again = parseWorkload(bytes(workload));
    expect(again.workload && irHash(again.workload)).toBe(irHash(workload));
  }
  expect(accepted).toBeGreaterThan(0);
});

/** The same value with the members of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, shuffled(member)] as const);
  for (let at = entries.length - 1; at > 0; at--) {
    const other = below(at + 1);
    const [a, b] = [entries[at], entries[other]];
    if (a !== undefined && b !== undefined) [entries[at], entries[other]] = [b, a];
  }
  return Object.fromEntries(entries);
}

test(`the order of members and of rules means nothing (seed ${seed})`, () => {
  const hash = irHash(full as unknown as Workload);
  for (let round = 0; round < 200; round++) {
    const other = shuffled(full) as typeof full;
    other.apps[0]?.network.egress.allowlist.reverse();
    expect(irHash(other as unknown as Workload)).toBe(hash);
  }
});

test(`every change of a value changes the hash (seed ${seed})`, () => {
  const hashes = new Set([irHash(full as unknown as Workload)]);
  let valid = 0;
  const change = (node: unknown, apply: () => void): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      const parent = node as Record<string, unknown>;
      if (typeof value === "string") parent[key] = `${value}x`;
      else if (typeof value === "number") parent[key] = value + 1;
      else {
        change(value, apply);
        continue;
      }
      apply();
      parent[key] = value;
    }
  };
  const document = copy(full);
  change(document, () => {
    if (validateWorkload(document).length > 0) return;
    valid++;
    hashes.add(irHash(document as unknown as Workload));
  });
  expect(valid).toBeGreaterThan(20);
  expect(hashes.size).toBe(valid + 1);
});

test("10 000 workloads, and one of 10 000 apps, are judged", () => {
  const text = bytes(full);
  let start = performance.now();
  for (let round = 0; round < 10_000; round++) validateWorkload(full);
  const judged = performance.now() - start;
  start = performance.now();
  for (let round = 0; round < 10_000; round++) parseWorkload(text);
  const parsed = performance.now() - start;
  start = performance.now();
  const many = validateWorkload({ ...least, apps: Array.from({ length: 10_000 }, () => full.apps[0]) });
  const apps = performance.now() - start;
  expect(many.map(({ code }) => code)).toEqual(["E_MULTI_APP_DEFERRED"]);
  const shown = [judged, parsed, apps].map((ms) => `${ms.toFixed(0)} ms`);
  console.log(`10 000 workloads judged: ${shown[0]}; read and judged: ${shown[1]}; 10 000 apps in one: ${shown[2]}`);
});
