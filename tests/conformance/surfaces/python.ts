import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../../support/home.js";
import type { Answer, Document, Surface } from "../scenario.js";

/** The Python SDK: a child process does each operation that it reads as a line, and answers with one. */
export function pythonSurface(name: "python" | "python-async", home: string): Surface {
  execFileSync(join(root, "scripts", "python-venv.sh"), { stdio: "inherit" });
  const client = name === "python" ? "blocking" : "asynchronous";
  const child = spawn(join(root, "python", ".venv", "bin", "python"), ["-m", "tests.support.conformance", client], {
    cwd: join(root, "python"),
    env: { ...process.env, MVM_HOME: home },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name,
    async call(operation: string, options: Document) {
      child.stdin.write(`${JSON.stringify({ operation, options })}\n`);
      const { value, done } = (await answers.next()) as { value: string; done?: boolean };
      if (done) throw new Error(`the Python client ended during ${operation}`);
      return JSON.parse(value) as Answer | "unsupported";
    },
    async close() {
      child.stdin.end();
      await once(child, "close");
    },
  };
}
