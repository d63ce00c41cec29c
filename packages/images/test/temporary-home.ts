import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A state root that goes away with the test. */
export async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "mvm-images-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return home;
}
