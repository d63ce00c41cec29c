import { createRequire } from "node:module";
import { Language, type Node, Parser } from "web-tree-sitter";
import { CompileRefusal, type Place, placesOf } from "./codes.js";
import { type Decorated, type Expression, maxNesting, type Member, type Module } from "./expression.js";
import { pythonNumber, pythonString } from "./python-string.js";

const sdk = "mvm";
const declaring = new Set(["app", "func", "define_workload"]);
const insteads: Readonly<Record<string, string>> = {
  attribute: "write the value itself, or a module-level constant of it",
  subscript: "write the value itself",
  binary_operator: "write the result",
  conditional_expression: "write one of the two values",
  list_comprehension: "write the list out",
  dictionary_comprehension: "write the dictionary out",
  dictionary_splat: "write its members out",
  list_splat: "write its items out",
  lambda: "a declaration holds no functions",
  await: "nothing is run",
};

/** Reads a Python module. Throws a {@link CompileRefusal}. */
export async function readPython(source: string): Promise<Module> {
  await Parser.init();
  const grammar = createRequire(import.meta.url).resolve("tree-sitter-python/tree-sitter-python.wasm");
  const parser = new Parser();
  parser.setLanguage(await Language.load(grammar));
  const root = parser.parse(source)?.rootNode;
  const place = placesOf(source);
  if (root === undefined) throw new CompileRefusal("E_COMPILE_TOO_COMPLEX", place(0), "Make the module smaller");
  if (root.hasError) {
    throw new CompileRefusal(
      "E_COMPILE_SYNTAX",
      place(mistake(root).startIndex),
      "This is not valid Python: mend it first",
    );
  }
  return new Reader(place, root).module();
}

function mistake(root: Node): Node {
  let at = root;
  for (;;) {
    const inner = at.children.find((child) => child !== null && (child.hasError || child.isMissing));
    if (!inner || at.isError || at.isMissing) return at;
    at = inner;
  }
}

const children = (found: Node): Node[] =>
  found.namedChildren.filter((child): child is Node => child !== null && child.type !== "comment");

class Reader {
  readonly #place: (offset: number) => Place;
  readonly #root: Node;
  readonly #modules = new Set<string>();
  readonly #imported = new Map<string, string>();
  readonly #constants = new Map<string, Node | null>();

  constructor(place: (offset: number) => Place, root: Node) {
    this.#place = place;
    this.#root = root;
    for (const statement of children(root)) this.#import(statement);
    this.#assignments(root);
  }

  module(): Module {
    const declarations: Module["declarations"][number][] = [];
    for (const statement of children(this.#root)) {
      if (statement.type === "decorated_definition") {
        const name = statement.childForFieldName("definition")?.childForFieldName("name")?.text ?? "";
        for (const decorator of children(statement).filter(({ type }) => type === "decorator")) {
          const found = this.#declaration(children(decorator)[0], name);
          if (found !== null) declarations.push(found);
        }
      } else if (statement.type === "expression_statement") {
        const [inner] = children(statement);
        const call = inner?.type === "assignment" ? inner.childForFieldName("right") : inner;
        const found = this.#declaration(call ?? undefined, null);
        if (found !== null) declarations.push(found);
      }
    }
    const once = [...this.#constants].filter((each): each is [string, Node] => each[1] !== null);
    return { constants: new Map(once.map(([name, right]) => [name, () => this.#expression(right, 0)])), declarations };
  }

  #import(statement: Node): void {
    const bind = (found: Node, onto: (name: string, local: string) => void): void => {
      const name = (found.type === "aliased_import" ? found.childForFieldName("name") : found)?.text ?? "";
      onto(name, found.childForFieldName("alias")?.text ?? name);
    };
    if (statement.type === "import_statement") {
      for (const each of children(statement))
        bind(each, (name, local) => void (name === sdk && this.#modules.add(local)));
    } else if (statement.type === "import_from_statement") {
      const [from, ...names] = children(statement);
      if (from?.text !== sdk) return;
      for (const each of names) bind(each, (name, local) => this.#imported.set(local, name));
    }
  }

  /** Names assigned at the top level; null where it happens more than once, or not for certain. */
  #assignments(root: Node): void {
    for (const found of root.descendantsOfType([
      "assignment",
      "augmented_assignment",
      "named_expression",
      "for_statement",
    ])) {
      if (found === null) continue;
      const left = found.childForFieldName("left") ?? found.childForFieldName("name");
      if (left === null || this.#inFunction(found)) continue;
      const right = found.childForFieldName("right");
      const top = found.parent?.type === "expression_statement" && found.parent.parent?.type === "module";
      if (found.type === "assignment" && left.type === "identifier") {
        this.#constants.set(left.text, top && right !== null && !this.#constants.has(left.text) ? right : null);
      } else {
        for (const name of left.type === "identifier" ? [left] : left.descendantsOfType("identifier")) {
          if (name !== null) this.#constants.set(name.text, null);
        }
      }
    }
  }

  #inFunction(found: Node): boolean {
    for (let at = found.parent; at !== null; at = at.parent) {
      if (at.type === "function_definition" || at.type === "class_definition" || at.type === "lambda") return true;
    }
    return false;
  }

  #declaration(call: Node | undefined, decorates: string | null): Module["declarations"][number] | null {
    const callee = call?.type === "call" ? call.childForFieldName("function") : null;
    const helper = callee === null ? null : this.#helper(callee);
    if (call === undefined || helper === null || !declaring.has(helper)) return null;
    const at = this.#place(call.startIndex);
    const decorator = helper !== "define_workload";
    if (decorator !== (decorates !== null)) {
      const detail = decorator ? `Write @${sdk}.${helper}(...) above a function` : "define_workload is no decorator";
      throw new CompileRefusal("E_COMPILE_ARGUMENTS", at, detail);
    }
    const { args, named } = this.#arguments(call, 0);
    if (args.length > 0)
      throw new CompileRefusal("E_COMPILE_ARGUMENTS", at, 'Name every argument, such as id="report"');
    const decorated: Decorated | null = decorates === null ? null : { name: decorates, returns: helper === "func" };
    return { at, members: named, decorated };
  }

  /** The SDK's name of a callee, `A.b` for a static method; null when it is something else. */
  #helper(callee: Node): string | null {
    if (callee.type === "identifier") return this.#imported.get(callee.text) ?? null;
    const object = callee.type === "attribute" ? callee.childForFieldName("object") : null;
    const attribute = callee.childForFieldName("attribute")?.text;
    if (object === null || attribute === undefined) return null;
    if (object.type === "identifier" && this.#modules.has(object.text)) return attribute;
    const owner = object.type === "call" ? null : this.#helper(object);
    return owner === null ? null : `${owner}.${attribute}`;
  }

  #arguments(call: Node, depth: number): { args: Expression[]; named: Member[] } {
    const args: Expression[] = [];
    const named: Member[] = [];
    const list = call.childForFieldName("arguments");
    for (const argument of list === null ? [] : children(list)) {
      const name = argument.type === "keyword_argument" ? argument.childForFieldName("name") : null;
      const value = name === null ? argument : argument.childForFieldName("value");
      if (value === null) return this.#refuse(argument);
      const expression = this.#expression(value, depth + 1);
      if (name === null) args.push(expression);
      else named.push({ key: name.text, at: this.#place(name.startIndex), value: expression });
    }
    return { args, named };
  }

  #refuse(found: Node, what = found.type.replaceAll("_", " ")): never {
    const instead = insteads[found.type] ?? "write a literal, a helper, or a module-level constant of those";
    throw new CompileRefusal(
      "E_COMPILE_NOT_STATIC",
      this.#place(found.startIndex),
      `${what} is not static: ${instead}`,
    );
  }

  #expression(found: Node, depth: number): Expression {
    const at = this.#place(found.startIndex);
    if (depth > maxNesting) throw new CompileRefusal("E_TOO_DEEP", at, "It is nested too deeply: make it flatter");
    switch (found.type) {
      case "true":
      case "false":
        return { kind: "value", value: found.type === "true", at };
      case "none":
        return { kind: "value", value: null, at };
      case "integer":
      case "float":
        return {
          kind: "value",
          value: pythonNumber(found.text, found.type) ?? this.#refuse(found, found.text.slice(0, 40)),
          at,
        };
      case "string":
        return { kind: "value", value: this.#string(found), at };
      case "concatenated_string":
        return {
          kind: "value",
          value: children(found)
            .map((part) => this.#string(part))
            .join(""),
          at,
        };
      case "identifier":
        return { kind: "name", name: found.text, at };
      case "parenthesized_expression":
        return this.#expression(children(found)[0] ?? this.#refuse(found), depth + 1);
      case "unary_operator": {
        const inner = this.#expression(found.childForFieldName("argument") ?? this.#refuse(found), depth + 1);
        const sign = found.childForFieldName("operator")?.text;
        if (inner.kind !== "value" || typeof inner.value !== "number" || sign === "~") return this.#refuse(found);
        return sign === "-" ? { kind: "value", value: -inner.value, at } : inner;
      }
      case "list":
      case "tuple":
        return { kind: "list", items: children(found).map((item) => this.#expression(item, depth + 1)), at };
      case "dictionary":
        return { kind: "object", members: children(found).map((pair) => this.#pair(pair, depth)), at };
      case "call":
        return this.#call(found, at, depth);
      default:
        return this.#refuse(found);
    }
  }

  #string(found: Node): string {
    if (found.type !== "string") return this.#refuse(found);
    const [start, end] = [found.firstChild, found.lastChild];
    if (start?.type !== "string_start" || end?.type !== "string_end") return this.#refuse(found);
    const content = found.text.slice(start.text.length, found.text.length - end.text.length);
    const prefix = start.text.toLowerCase();
    const what = prefix.includes("f") || prefix.includes("t") ? "An f-string" : "This kind of string";
    return pythonString(start.text, content) ?? this.#refuse(found, what);
  }

  #pair(pair: Node, depth: number): Member {
    const key = pair.type === "pair" ? pair.childForFieldName("key") : null;
    const value = pair.childForFieldName("value");
    if (key === null || value === null) return this.#refuse(pair);
    const name = this.#expression(key, depth + 1);
    if (name.kind !== "value" || typeof name.value !== "string") return this.#refuse(key, "A key that is no text");
    return { key: name.value, at: name.at, value: this.#expression(value, depth + 1) };
  }

  #call(found: Node, at: Place, depth: number): Expression {
    const callee = found.childForFieldName("function") ?? this.#refuse(found);
    const { args, named } = this.#arguments(found, depth);
    const helper = this.#helper(callee);
    if (helper !== null) return { kind: "call", on: null, callee: helper, args, named, at };
    const object = callee.type === "attribute" ? callee.childForFieldName("object") : null;
    const attribute = callee.childForFieldName("attribute");
    if (object !== null && attribute !== null) {
      // A chain of methods is long, not deep.
      const on = this.#expression(object, depth);
      return { kind: "call", on, callee: attribute.text, args, named, at: this.#place(attribute.startIndex) };
    }
    const detail = "Nothing is run: write the value itself, or a helper imported from mvm";
    throw new CompileRefusal("E_COMPILE_UNKNOWN_HELPER", at, detail);
  }
}
