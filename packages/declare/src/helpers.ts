import { CompileRefusal } from "./codes.js";
import type { Call, Helpers, Located, LocatedObject } from "./evaluate.js";

/** Parameters in their order; those with `?` may be left out. */
type Parameters = readonly string[];

/** The arguments by their parameters. Throws where one is unknown, missing or given twice. */
function bound(call: Call, name: string, parameters: Parameters): Map<string, Located> {
  const wrong = (detail: string): never => {
    const shown = parameters.join(", ");
    throw new CompileRefusal("E_COMPILE_ARGUMENTS", call.at, `${name}(${shown}): ${detail}`);
  };
  const names = parameters.map((parameter) => parameter.replace("?", ""));
  if (call.args.length > names.length) wrong(`it takes at most ${names.length}`);
  const values = new Map<string, Located>();
  call.args.forEach((argument, at) => values.set(names[at] as string, argument));
  for (const [key, value] of call.named) {
    if (!names.includes(key)) wrong(`it takes no ${JSON.stringify(key.slice(0, 64))}`);
    if (values.has(key)) wrong(`${JSON.stringify(key)} is given twice`);
    values.set(key, value);
  }
  for (const parameter of parameters) {
    if (!parameter.endsWith("?") && !values.has(parameter)) wrong(`${JSON.stringify(parameter)} is missing`);
  }
  for (const [key, value] of values) if (value.kind === "value" && value.value === null) values.delete(key);
  return values;
}

const object = (call: Call, type: string | null, members: ReadonlyMap<string, Located>): LocatedObject => ({
  kind: "object",
  type,
  members,
  at: call.at,
});
const value = (call: Call, content: string | number): Located => ({ kind: "value", value: content, at: call.at });

function policy(call: Call, rules: readonly Located[]): LocatedObject {
  const allow: Located = { kind: "list", items: rules, at: call.at };
  return object(
    call,
    "NetworkPolicy",
    new Map([
      ["default", value(call, "deny")],
      ["allow", allow],
    ]),
  );
}

function rulesOf(call: Call): readonly Located[] {
  const allow = call.on?.kind === "object" ? call.on.members.get("allow") : undefined;
  return allow?.kind === "list" ? allow.items : [];
}

const allowing = (name: string, protocol: string, port: number | null) => (call: Call) => {
  const given = bound(call, name, ["host", port === null ? "port" : "port?"]);
  const rule = new Map(given);
  if (port !== null && !rule.has("port")) rule.set("port", value(call, port));
  rule.set("protocol", value(call, protocol));
  return policy(call, [...rulesOf(call), object(call, null, rule)]);
};

/** A name and, in an object or as named arguments, where the secret may go. */
function secretRef(call: Call, given: ReadonlyMap<string, Located>, options: ReadonlyMap<string, Located>): Located {
  const members = new Map<string, Located>();
  const name = given.get("name");
  if (name !== undefined) members.set("secret", name);
  for (const [key, option] of options) members.set(key, option);
  return object(call, "SecretRef", members);
}

/** What `@mvm/sdk` exports for declarations. */
export const typescriptHelpers: Helpers = {
  "NetworkPolicy.denyByDefault": (call) => (bound(call, "denyByDefault", []), policy(call, [])),
  "NetworkPolicy.allowHttps": allowing("allowHttps", "https", 443),
  "NetworkPolicy.allowHttp": allowing("allowHttp", "http", 80),
  "NetworkPolicy.allowTcp": allowing("allowTcp", "tcp", null),
  "NetworkPolicy.allow": (call) => {
    const rule = bound(call, "allow", ["rule"]).get("rule");
    return policy(call, [...rulesOf(call), ...(rule === undefined ? [] : [rule])]);
  },
  "SecretRef.from": (call) => {
    const given = bound(call, "SecretRef.from", ["name", "options?"]);
    const options = given.get("options");
    if (options !== undefined && options.kind !== "object") {
      throw new CompileRefusal("E_COMPILE_ARGUMENTS", options.at, "SecretRef.from(name, { hosts, header })");
    }
    return secretRef(call, given, options?.members ?? new Map());
  },
};

/** What the package `mvm` exports for declarations. */
export const pythonHelpers: Helpers = {
  "NetworkPolicy.deny_by_default": (call) => (bound(call, "deny_by_default", []), policy(call, [])),
  "NetworkPolicy.allow_https": allowing("allow_https", "https", 443),
  "NetworkPolicy.allow_http": allowing("allow_http", "http", 80),
  "NetworkPolicy.allow_tcp": allowing("allow_tcp", "tcp", null),
  "NetworkPolicy.allow": (call) => {
    const rule = bound(call, "allow", ["rule"]).get("rule");
    return policy(call, [...rulesOf(call), ...(rule === undefined ? [] : [rule])]);
  },
  NetworkPolicy: (call) => (bound(call, "NetworkPolicy", []), policy(call, [])),
  NetworkRule: (call) => object(call, null, bound(call, "NetworkRule", ["host", "port", "protocol"])),
  SecretRef: (call) => {
    const given = bound(call, "SecretRef", ["name", "hosts?", "header?"]);
    return secretRef(call, given, new Map([...given].filter(([key]) => key !== "name")));
  },
  resources: (call) => object(call, null, bound(call, "resources", ["cpu?", "memory_mb?", "disk_mb?"])),
};
