import { printable } from "./escape.js";
import { wrap } from "./wrap.js";

/**
 * A document as an indented outline, one fact a line. Text that is longer than `width` columns (undefined: no limit) goes
 * on further to the right, below where it began.
 */
export function facts(value: object, width?: number, indent = ""): string {
  return Object.entries(value)
    .map(([key, fact]) => factOf(fact, `${indent}${printable(key)}:`, indent, width))
    .join("\n");
}

function factOf(fact: unknown, label: string, indent: string, width: number | undefined): string {
  const deeper = `${indent}  `;
  if (fact === null || fact === undefined || fact === "") return `${label} -`;
  if (Array.isArray(fact)) {
    if (fact.length === 0) return `${label} -`;
    return label + fact.map((item) => `\n${itemOf(item, deeper, width)}`).join("");
  }
  if (typeof fact === "object") {
    return Object.keys(fact).length === 0 ? `${label} -` : `${label}\n${facts(fact, width, deeper)}`;
  }
  return line(`${label} ${typeof fact === "string" ? printable(fact) : JSON.stringify(fact)}`, deeper, width);
}

function itemOf(item: unknown, indent: string, width: number | undefined): string {
  if (typeof item !== "object" || item === null) {
    return line(`${indent}- ${printable(String(item))}`, `${indent}  `, width);
  }
  return `${indent}- ${facts(item, width, `${indent}  `).trimStart()}`;
}

function line(text: string, rest: string, width: number | undefined): string {
  if (width === undefined || text.length <= width) return text;
  const indent = /^ */.exec(text)?.[0] ?? "";
  return wrap(text.slice(indent.length), width, `${rest}  `, indent);
}
