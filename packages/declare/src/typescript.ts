import { parseSync } from "oxc-parser";
import { CompileRefusal, type Place, placesOf } from "./codes.js";
import { type Expression, maxNesting, type Member, type Module } from "./expression.js";

/** The few fields of the syntax tree that are looked at. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}
const node = (value: unknown): Node => value as Node;
const nodes = (value: unknown): Node[] => value as Node[];

const sdk = "@mvm/sdk";
const wrappers = new Set(["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "ParenthesizedExpression"]);
const insteads: Readonly<Record<string, string>> = {
  TemplateLiteral: "write the whole text; nothing is put into it",
  SpreadElement: "write its members out",
  MemberExpression: "write the value itself, or a module-level constant of it",
  Identifier: "write the value itself",
  ConditionalExpression: "write one of the two values",
  BinaryExpression: "write the result",
  ArrowFunctionExpression: "a declaration holds no functions",
  FunctionExpression: "a declaration holds no functions",
  AwaitExpression: "nothing is run",
  NewExpression: "use a helper such as SecretRef.from",
};

/** Reads a TypeScript module. Throws a {@link CompileRefusal}. */
export function readTypescript(source: string): Module {
  const place = placesOf(source);
  const { program, errors } = parseSync("module.ts", source, { lang: "ts", sourceType: "module" });
  const [error] = errors;
  if (error !== undefined) {
    throw new CompileRefusal("E_COMPILE_SYNTAX", place(error.labels[0]?.start ?? 0), error.message);
  }
  return new Reader(place, nodes(program.body)).module();
}

class Reader {
  readonly #place: (offset: number) => Place;
  readonly #body: readonly Node[];
  /** Local names of what the module imports from the SDK. */
  readonly #imported = new Map<string, string>();
  readonly #namespaces = new Set<string>();
  readonly #constants = new Map<string, Node>();

  constructor(place: (offset: number) => Place, body: readonly Node[]) {
    this.#place = place;
    this.#body = body;
    for (const statement of body) this.#collect(statement);
  }

  module(): Module {
    const declarations: Module["declarations"][number][] = [];
    for (const statement of this.#body) {
      if (statement.type !== "ExportDefaultDeclaration") continue;
      const call = this.#declared(node(statement["declaration"]));
      if (call === null) continue;
      const at = this.#place(call.start);
      const args = nodes(call["arguments"]);
      const [argument] = args;
      if (argument === undefined || args.length > 1) {
        throw new CompileRefusal("E_COMPILE_ARGUMENTS", at, "defineWorkload takes one object: write it in its call");
      }
      const object = unwrapped(argument);
      const from = object.type === "Identifier" ? this.#constants.get(String(object["name"])) : undefined;
      const value = this.#expression(from ?? object, 0);
      if (value.kind !== "object") {
        throw new CompileRefusal("E_COMPILE_ARGUMENTS", value.at, "defineWorkload takes one object: write { id: … }");
      }
      declarations.push({ at, members: value.members, decorated: null });
    }
    const constants = [...this.#constants].map(([name, init]) => [name, () => this.#expression(init, 0)] as const);
    return { constants: new Map(constants), declarations };
  }

  #collect(statement: Node): void {
    if (statement.type === "ImportDeclaration" && node(statement["source"])["value"] === sdk) {
      for (const specifier of nodes(statement["specifiers"])) {
        const local = String(node(specifier["local"])["name"]);
        if (specifier.type === "ImportNamespaceSpecifier") this.#namespaces.add(local);
        else if (specifier.type === "ImportSpecifier") {
          const imported = node(specifier["imported"]);
          this.#imported.set(local, String(imported["name"] ?? imported["value"]));
        }
      }
    }
    const declaration = statement.type === "ExportNamedDeclaration" ? statement["declaration"] : statement;
    if (!declaration || node(declaration).type !== "VariableDeclaration" || node(declaration)["kind"] !== "const")
      return;
    for (const each of nodes(node(declaration)["declarations"])) {
      const id = node(each["id"]);
      if (id.type === "Identifier" && each["init"]) this.#constants.set(String(id["name"]), node(each["init"]));
    }
  }

  /** The call of `defineWorkload` that is exported, also by way of a constant. */
  #declared(exported: Node): Node | null {
    let found = unwrapped(exported);
    if (found.type === "Identifier") found = unwrapped(this.#constants.get(String(found["name"])) ?? found);
    return found.type === "CallExpression" && this.#helper(node(found["callee"])) === "defineWorkload" ? found : null;
  }

  /** The SDK's name of a callee, `A.b` for a static method; null when it is something else. */
  #helper(callee: Node): string | null {
    if (callee.type === "Identifier") return this.#imported.get(String(callee["name"])) ?? null;
    if (callee.type !== "MemberExpression" || callee["computed"] === true || callee["optional"] === true) return null;
    const object = node(callee["object"]);
    const property = String(node(callee["property"])["name"]);
    if (object.type === "Identifier" && this.#namespaces.has(String(object["name"]))) return property;
    const owner = object.type === "CallExpression" ? null : this.#helper(object);
    return owner === null ? null : `${owner}.${property}`;
  }

  #refuse(found: Node, what = found.type): never {
    const instead = insteads[found.type] ?? "write a literal, a helper, or a module-level constant of those";
    throw new CompileRefusal("E_COMPILE_NOT_STATIC", this.#place(found.start), `${what} is not static: ${instead}`);
  }

  #expression(wrapped: Node, depth: number): Expression {
    const found = unwrapped(wrapped);
    const at = this.#place(found.start);
    if (depth > maxNesting) throw new CompileRefusal("E_TOO_DEEP", at, "It is nested too deeply: make it flatter");
    switch (found.type) {
      case "Literal":
        return this.#literal(found, at);
      case "TemplateLiteral": {
        const text = node(nodes(found["quasis"])[0]?.["value"])["cooked"];
        if (nodes(found["expressions"]).length > 0 || typeof text !== "string") this.#refuse(found, "A template");
        return { kind: "value", value: text, at };
      }
      case "UnaryExpression": {
        const inner = this.#expression(node(found["argument"]), depth + 1);
        if (inner.kind !== "value" || typeof inner.value !== "number") return this.#refuse(found);
        if (found["operator"] === "-") return { kind: "value", value: -inner.value, at };
        return found["operator"] === "+" ? inner : this.#refuse(found);
      }
      case "Identifier":
        return { kind: "name", name: String(found["name"]), at };
      case "ArrayExpression": {
        const items = (found["elements"] as (Node | null)[]).map((item) =>
          item === null ? this.#refuse(found, "A hole in an array") : this.#expression(item, depth + 1),
        );
        return { kind: "list", items, at };
      }
      case "ObjectExpression":
        return { kind: "object", members: nodes(found["properties"]).map((each) => this.#member(each, depth)), at };
      case "CallExpression":
        return this.#call(found, at, depth);
      default:
        return this.#refuse(found);
    }
  }

  #literal(found: Node, at: Place): Expression {
    const value = found["value"];
    const plain = value === null || ["string", "number", "boolean"].includes(typeof value);
    if (!plain || found["regex"] || found["bigint"]) this.#refuse(found, String(found["raw"]).slice(0, 40));
    return { kind: "value", value: value as string | number | boolean | null, at };
  }

  #member(property: Node, depth: number): Member {
    if (property.type !== "Property" || property["kind"] !== "init" || property["method"] === true)
      this.#refuse(property);
    const key = node(property["key"]);
    if (property["computed"] === true) this.#refuse(key, "A computed key");
    const name = key.type === "Identifier" ? key["name"] : key["value"];
    return {
      key: String(name),
      at: this.#place(key.start),
      value: this.#expression(node(property["value"]), depth + 1),
    };
  }

  #call(found: Node, at: Place, depth: number): Expression {
    const callee = node(found["callee"]);
    const args = nodes(found["arguments"]).map((argument) => this.#expression(argument, depth + 1));
    const helper = this.#helper(callee);
    if (helper !== null) return { kind: "call", on: null, callee: helper, args, named: [], at };
    if (callee.type === "MemberExpression" && callee["computed"] !== true && callee["optional"] !== true) {
      const property = node(callee["property"]);
      // A chain of methods is long, not deep.
      const on = this.#expression(node(callee["object"]), depth);
      const method = String(property["name"]);
      return { kind: "call", on, callee: method, args, named: [], at: this.#place(property.start) };
    }
    throw new CompileRefusal(
      "E_COMPILE_UNKNOWN_HELPER",
      at,
      "Nothing is run: write the value itself, or a helper imported from @mvm/sdk",
    );
  }
}

function unwrapped(found: Node): Node {
  let inner = found;
  while (wrappers.has(inner.type)) inner = node(inner["expression"]);
  return inner;
}
