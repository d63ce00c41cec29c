/**
 * Lets every supported Node run SDK scripts in TypeScript, and finds `@mvm/sdk` beside the command line where the script
 * has none of its own. Given to Node with `--import`; registers itself as the hooks of its module loader.
 */
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { transform } from "esbuild";

type Next<Context, Result> = (what: string, context: Context) => Promise<Result>;
type ResolveContext = { readonly parentURL?: string };

if (isMainThread) register(import.meta.url);

/** Hook of Node: where a module is. */
export async function resolve<Result>(
  specifier: string,
  context: ResolveContext,
  next: Next<ResolveContext, Result>,
): Promise<Result> {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!/^@mvm\/sdk(\/|$)/.test(specifier)) throw error;
    return next(specifier, { ...context, parentURL: import.meta.url }).catch(() => {
      throw error;
    });
  }
}

/** Hook of Node: the JavaScript of a module. */
export async function load<Context>(url: string, context: Context, next: Next<Context, unknown>): Promise<unknown> {
  if (!/^file:.*\.m?ts$/.test(url)) return next(url, context);
  const path = fileURLToPath(url);
  const { code } = await transform(await readFile(path, "utf8"), {
    loader: "ts",
    format: "esm",
    target: `node${process.versions.node}`,
    sourcefile: path,
    sourcemap: "inline",
  });
  return { format: "module", source: code, shortCircuit: true };
}
