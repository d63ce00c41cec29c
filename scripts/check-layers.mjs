#!/usr/bin/env node
/** Fails when an import crosses a boundary that scripts/layers.mjs does not draw. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { hostMayImport, ioModules, mayImport, pure } from "./layers.mjs";

const root = resolve(import.meta.dirname, "..");
const packageOf = {
  "@mvm/protocol": "protocol",
  "@mvm/evidence": "evidence",
  "@mvm/images": "images",
  "@mvm/host": "host",
  "@mvm/declare": "declare",
  "@mvm/sdk": "sdk",
  mvmctl: "cli",
};
const problems = [];

function* sources(directory) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

for (const [name, allowed] of Object.entries(mayImport)) {
  const base = join(root, "packages", name, "src");
  for (const file of sources(base)) {
    const text = readFileSync(file, "utf8");
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g))
      check(name, allowed, base, file, specifier);
  }
}

function check(name, allowed, base, file, specifier) {
  const where = relative(root, file);
  const bare = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const other = packageOf[bare];
  if (other !== undefined && other !== name && !allowed.includes(other))
    problems.push(`${where}: ${name} may not import ${other}`);
  if (specifier.startsWith(".")) {
    const target = resolve(dirname(file), specifier);
    if (!target.startsWith(base)) problems.push(`${where}: "${specifier}" leaves the package; use its name`);
    if (name === "host") checkHost(base, file, target, where);
  }
  if (pure.some((folder) => where.startsWith(folder)) && ioModules.includes(specifier.replace(/^node:/, ""))) {
    problems.push(`${where}: pure code imports "${specifier}"`);
  }
}

function checkHost(base, file, target, where) {
  const from = relative(base, file);
  const to = relative(base, target);
  for (const [folder, { onlyFrom }] of Object.entries(hostMayImport)) {
    if (!to.startsWith(`${folder}/`) || to.endsWith("types.js")) continue;
    if (!onlyFrom.some((place) => from === place || from.startsWith(`${place}/`)))
      problems.push(`${where}: only ${onlyFrom.join(", ")} may import ${folder}`);
  }
}

if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log("layers: every import follows scripts/layers.mjs");
