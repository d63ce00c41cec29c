import { printable } from "./escape.js";

/** A document as an indented outline, one fact a line. */
export function facts(value: object, indent = ""): string {
  return Object.entries(value)
    .map(([key, fact]) => `${indent}${printable(key)}:${factOf(fact, `${indent}  `)}`)
    .join("\n");
}

function factOf(fact: unknown, indent: string): string {
  if (fact === null || fact === undefined || fact === "") return " -";
  if (Array.isArray(fact)) {
    if (fact.length === 0) return " -";
    return fact.map((item) => `\n${indent}-${itemOf(item, indent)}`).join("");
  }
  if (typeof fact === "object") return Object.keys(fact).length === 0 ? " -" : `\n${facts(fact, indent)}`;
  return typeof fact === "string" ? ` ${printable(fact)}` : ` ${JSON.stringify(fact)}`;
}

function itemOf(item: unknown, indent: string): string {
  if (typeof item !== "object" || item === null) return ` ${printable(String(item))}`;
  return ` ${facts(item, `${indent}  `).trimStart()}`;
}
