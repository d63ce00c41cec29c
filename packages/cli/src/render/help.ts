import { offered } from "../command/define.js";
import { globalOptions } from "../command/globals.js";
import type { CommandSpec, OptionSpec, OptionSpecs } from "../command/spec.js";
import { wrap } from "./wrap.js";

const defaultWidth = 100;

/** The help of one verb. */
export function verbHelp(name: string, spec: CommandSpec, columns?: number): string {
  const width = Math.max(20, Math.min(columns ?? defaultWidth, 120));
  const sections = [
    wrap(`${spec.summary}.`, width),
    ...(spec.description ?? []).map((paragraph) => wrap(paragraph, width)),
    wrap(`Usage: ${usageLine(name, spec)}`, width, "         "),
    section("Arguments", argumentRows(spec), width),
    section("Options", optionRows(offered(spec.options)), width),
    section("Global options", optionRows(globalOptions), width),
    section(
      "Exit codes",
      Object.entries(spec.exits ?? {}).map(([code, meaning]) => [code, meaning] as const),
      width,
    ),
    `Examples:\n${spec.examples.map(([line, meaning]) => `${wrap(meaning, width, "  # ", "  # ")}\n  mvmctl ${line}`).join("\n")}`,
  ];
  return `${sections.filter((text) => text !== "").join("\n\n")}\n`;
}

/** `mvmctl exec [OPTIONS] NAME -- ARGV…`. */
export function usageLine(name: string, spec: CommandSpec): string {
  const words = spec.positionals.map((positional) => {
    const label = positional.arity === "some" || positional.arity === "many" ? `${positional.name}…` : positional.name;
    return positional.arity === "optional" || positional.arity === "many" ? `[${label}]` : label;
  });
  const argv =
    spec.argv === undefined ? [] : [spec.argv.optional ? `[-- ${spec.argv.label}]` : `-- ${spec.argv.label}`];
  return [name, ...(Object.keys(offered(spec.options)).length > 0 ? ["[OPTIONS]"] : []), ...words, ...argv].join(" ");
}

/** `-r, --recursive` or `--cpus N`. */
export function optionLabel(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  return `${short}--${name}${option.kind === "flag" ? "" : ` ${option.type?.label ?? "VALUE"}`}`;
}

/** The summary with what is said about every option of its kind. */
export function optionSummary(option: OptionSpec): string {
  const notes = [
    ...(option.kind === "list" ? ["may be repeated"] : []),
    ...(option.defaultText === undefined ? [] : [`default: ${option.defaultText}`]),
  ];
  return notes.length === 0 ? option.summary : `${option.summary} (${notes.join("; ")})`;
}

function argumentRows(spec: CommandSpec): (readonly [string, string])[] {
  const rows = spec.positionals.map((positional) => [positional.name, positional.summary] as const);
  return spec.argv === undefined ? rows : [...rows, [spec.argv.label, spec.argv.summary] as const];
}

function optionRows(options: OptionSpecs): (readonly [string, string])[] {
  return Object.entries(options).map(([name, option]) => [optionLabel(name, option), optionSummary(option)] as const);
}

/** A titled list of two columns; on a narrow terminal the second one goes below the first. */
export function section(title: string, rows: readonly (readonly [string, string])[], width: number): string {
  if (rows.length === 0) return "";
  const left = Math.min(Math.max(...rows.map(([label]) => label.length)), 34);
  const lines = rows.map(([label, text]) => {
    if (width < left + 24) return `  ${label}\n${wrap(text, width, "      ", "      ")}`;
    const indent = " ".repeat(left + 4);
    if (label.length > left) return `  ${label}\n${wrap(text, width, indent, indent)}`;
    return wrap(text, width, indent, `  ${label.padEnd(left)}  `);
  });
  return `${title}:\n${lines.join("\n")}`;
}
