import { invalid } from "./invalid.js";

const powers = { "": 0, K: 1, M: 2, G: 3, T: 4 } as const;
const pattern = /^(\d{1,12}(?:\.\d{1,6})?)([KMGT]?)(?:i?B)?$/i;

/**
 * Bytes of `512M`, `2G`, `2GiB`, `64KB`, `100B`: always powers of 1 024, as everywhere in virtual machines. A number
 * without a unit is refused. `argument` names it in the `InvalidArgumentError`.
 */
export function parseSize(text: string, argument = "size"): number {
  const [, amount, unit = ""] = pattern.exec(text) ?? [];
  if (amount === undefined || /^[\d.]+$/.test(text)) {
    throw invalid(
      argument,
      text,
      "a size such as 512M or 2G",
      /^\d+$/.test(text) ? `Write ${text.slice(0, 16)}M for MiB` : undefined,
    );
  }
  return Math.round(Number(amount) * 1024 ** powers[unit.toUpperCase() as keyof typeof powers]);
}

/** The size in MiB, as memory and disks are given; a fraction of a MiB is refused. */
export function parseSizeMb(text: string, argument = "size"): number {
  const megabytes = parseSize(text, argument) / 1024 ** 2;
  if (Number.isInteger(megabytes)) return megabytes;
  throw invalid(argument, text, "a whole number of MiB");
}
