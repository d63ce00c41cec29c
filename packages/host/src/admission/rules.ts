import type { Cedar } from "./cedar.js";
import { placeOf, splitPolicies, type PolicyProblem, type PolicySource, type PolicyText } from "./policy-source.js";

/** One Cedar policy, known by its `@id`. */
export interface Rule {
  readonly id: string;
  readonly effect: "permit" | "forbid";
  readonly text: string;
  readonly path: string;
  readonly line: number;
  /** Where its text begins in its file. */
  readonly byte: number;
  /** Whether it comes with mvm; else it is the operator's. */
  readonly builtIn: boolean;
  /** `@hint` of the operator: what whoever is refused can do. */
  readonly hint: string | null;
}

const idPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;
/** Names of rules that mvm itself decides by. */
const reserved = /^(profile|limit|policy)\./;

/** Reads the rules of one file. The operator's files can only forbid: what a profile does not permit stays refused. */
export function readRules(
  cedar: Cedar,
  source: PolicySource,
  builtIn: boolean,
): { rules: Rule[]; problems: PolicyProblem[] } {
  const rules: Rule[] = [];
  const problems: PolicyProblem[] = [];
  for (const piece of splitPolicies(source.text)) {
    const read = readRule(cedar, source, piece, builtIn);
    if (typeof read === "string") problems.push(problemAt(source, piece.byte, read));
    else if ("problem" in read) problems.push(read);
    else rules.push(read);
  }
  return { rules, problems };
}

function readRule(
  cedar: Cedar,
  source: PolicySource,
  piece: PolicyText,
  builtIn: boolean,
): Rule | PolicyProblem | string {
  const parsed = cedar.policyToJson(piece.text);
  if (parsed.type === "failure") {
    const [error] = parsed.errors;
    const [at] = error?.sourceLocations ?? [];
    const message = (error?.message ?? "it is no Cedar policy").replace(/^failed to parse policy from string: /, "");
    const expected = at?.label ? `, ${at.label}` : "";
    return problemAt(source, piece.byte + (at?.start ?? 0), message + expected);
  }
  const { effect, annotations = {} } = parsed.json;
  const { id, hint = null } = annotations;
  if (!builtIn && effect === "permit") return "the rule is a permit; an operator's file can only forbid";
  if (id === undefined) return 'the rule has no name; put @id("…") before it';
  if (!idPattern.test(id)) return `"${id}" is no name of a rule; use a to z, 0 to 9, ".", "_" and "-"`;
  if (!builtIn && reserved.test(id)) return `"${id}" begins like a rule of mvm's own; choose another name`;
  const { line } = placeOf(source.text, piece.byte);
  return { id, effect, text: piece.text, path: source.path, line, byte: piece.byte, builtIn, hint };
}

export function problemAt(source: PolicySource, byte: number, problem: string): PolicyProblem {
  return { file: source.path, ...placeOf(source.text, byte), problem };
}

/** Checks rules against the schema: unknown attributes, wrong types, rules that can never apply, names given twice. */
export function validateRules(
  cedar: Cedar,
  schema: string,
  rules: readonly Rule[],
  sources: readonly PolicySource[],
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const sourceOf = (rule: Rule): PolicySource =>
    sources.find(({ path }) => path === rule.path) ?? { path: rule.path, text: rule.text };
  const byId = new Map<string, Rule>();
  for (const rule of rules) {
    const other = byId.get(rule.id);
    if (other === undefined) byId.set(rule.id, rule);
    else
      problems.push(problemAt(sourceOf(rule), rule.byte, `"${rule.id}" is a rule at ${other.path}:${other.line} too`));
  }
  const staticPolicies = Object.fromEntries([...byId].map(([id, { text }]) => [id, text]));
  const answer = cedar.validate({ schema, policies: { staticPolicies } });
  if (answer.type === "failure") {
    const message = answer.errors[0]?.message ?? "the rules cannot be validated";
    return [...problems, { file: sources[0]?.path ?? "", line: null, column: null, problem: message }];
  }
  const said = new Set<string>();
  for (const { policyId, error } of [...answer.validationErrors, ...answer.validationWarnings]) {
    const rule = byId.get(policyId);
    if (rule === undefined || said.has(policyId)) continue;
    said.add(policyId);
    const text = error.message.replace(/^for policy `[^`]*`, /, "") + (error.help === null ? "" : `; ${error.help}`);
    problems.push(problemAt(sourceOf(rule), rule.byte + (error.sourceLocations?.[0]?.start ?? 0), text));
  }
  return problems;
}
