import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TemplateInputs } from "./template-key.js";

/** A template's directory; `inputs` are undefined where its record cannot be read. */
export interface KeptTemplate {
  readonly key: string;
  readonly path: string;
  readonly inputs: TemplateInputs | undefined;
}

/** The templates below the state root, by key. What is being made has no key yet and is left out. */
export async function keptTemplates(home: string): Promise<KeptTemplate[]> {
  const root = join(home, "templates");
  return await Promise.all(
    (await visible(root)).map(async (key) => ({ key, path: join(root, key), inputs: await inputsOf(join(root, key)) })),
  );
}

/** What a directory of kernel and initramfs says it holds; undefined where that cannot be read. */
export async function bootRecord(
  directory: string,
): Promise<{ readonly kernel_version?: string; readonly agent_sha256?: string } | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, "boot.json"), "utf8")) as object;
  } catch {
    return undefined;
  }
}

/** The entries of a directory that have got their names, sorted; none where there is no directory. */
export async function visible(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  return names.filter((name) => !name.startsWith(".")).sort();
}

async function inputsOf(template: string): Promise<TemplateInputs | undefined> {
  try {
    const record = JSON.parse(await readFile(join(template, "template.json"), "utf8")) as { inputs?: TemplateInputs };
    return record.inputs?.qemu === undefined ? undefined : record.inputs;
  } catch {
    return undefined;
  }
}
