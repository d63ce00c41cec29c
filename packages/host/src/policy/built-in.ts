import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { PolicySource } from "../admission/policy-source.js";

const directory = new URL("../../policy/", import.meta.url);
const profiles = ["restrictive", "standard", "dev", "permissive"] as const;

/** The schema and the profiles that come with mvm: Cedar files of this package. */
export async function readBuiltIn(): Promise<{ schema: string; builtIn: PolicySource[] }> {
  const read = async (name: string): Promise<PolicySource> => {
    const url = new URL(name, directory);
    return { path: fileURLToPath(url), text: await readFile(url, "utf8") };
  };
  const [schema, ...builtIn] = await Promise.all([
    read("schema.cedarschema"),
    ...profiles.map((profile) => read(`${profile}.cedar`)),
  ]);
  return { schema: schema.text, builtIn };
}
