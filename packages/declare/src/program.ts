import type { Located } from "./evaluate.js";
import type { Decorated } from "./expression.js";

/** Where a module that is its own program is put. */
const path = "/home/user/app.py";

/**
 * Runs one function of a module in a guest that has no `mvm`: there, decorators return the function as it is and helpers
 * do nothing. With `returns`, what the function returns is written to stdout as JSON.
 */
function runner({ name, returns }: Decorated): string {
  const call = `runpy.run_path(${JSON.stringify(path)})[${JSON.stringify(name)}]()`;
  return `import json, runpy, sys, types
class Any:
    def __call__(self, *a, **k): return self
    def __getattr__(self, name): return self
mvm = types.ModuleType("mvm")
mvm.__getattr__ = lambda name: Any()
mvm.app = mvm.func = lambda **k: lambda f: f
sys.modules["mvm"] = mvm
${returns ? `print(json.dumps(${call}))` : call}
`;
}

/** Makes the decorated function the command, and the module one of the files, where the declaration has no command. */
export function withProgram(
  members: Map<string, Located>,
  decorated: Decorated,
  source: string,
  at: Located["at"],
): void {
  const text = (value: string): Located => ({ kind: "value", value, at });
  const files = members.get("files");
  const own = files?.kind === "object" ? files.members : new Map<string, Located>();
  members.set("files", { kind: "object", type: null, at, members: new Map([...own, [path, text(source)]]) });
  members.set("command", { kind: "list", at, items: ["python3", "-c", runner(decorated)].map(text) });
}
