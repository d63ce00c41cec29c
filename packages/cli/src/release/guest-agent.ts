import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { createError } from "@mvm/protocol/errors";

const built = "guest/target/x86_64-unknown-linux-gnu/release/mvm-agent";

/** The agent this installation starts machines with: built in the checkout, or in the host's package. */
export function guestAgent(env: NodeJS.ProcessEnv = process.env): string {
  const places = ["../../..", "../../../.."].map((up) => fileURLToPath(new URL(`${up}/${built}`, import.meta.url)));
  const found = [env["MVM_AGENT"] ?? "", ...places, packaged() ?? ""].find(
    (place) => place !== "" && existsSync(place),
  );
  if (found !== undefined) return found;
  throw createError("ASSET_NOT_FOUND", {
    message: "Cannot find the guest agent of this installation",
    hint: "Run `mvmctl setup`, or name it in MVM_AGENT",
  });
}

function packaged(): string | undefined {
  try {
    const host = createRequire(import.meta.url).resolve("@mvm/host");
    return join(dirname(host), "..", "agent", "mvm-agent");
  } catch {
    return undefined;
  }
}
