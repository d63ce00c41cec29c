import { validateEnv, validateGuestPath, validateUser } from "@mvm/protocol";
import { imageError } from "../errors.js";
import { emptyConfig, type ImageConfig } from "../image-config.js";
import type { ImageDocument } from "./documents.js";

/** How an image says its programs want to be run, in this project's words. @throws {BuildError} it says what no guest can do */
export function configOf(document: ImageDocument | null, what: string): ImageConfig {
  if (document === null) return emptyConfig;
  const { entrypoint, command, labels, ports } = document;
  try {
    return {
      ...emptyConfig,
      env: validateEnv(Object.fromEntries(document.env.map(assignment))),
      cwd:
        document.cwd === "" || document.cwd === "/"
          ? document.cwd === ""
            ? null
            : "/"
          : validateGuestPath(document.cwd),
      user: userOf(document.user),
      ...{ entrypoint, command, labels, ports },
    };
  } catch (error) {
    throw imageError("build", `Cannot use ${what}: its configuration cannot be kept: ${(error as Error).message}`, {
      hint: "Make the image again",
      cause: error,
    });
  }
}

function assignment(text: string): readonly [string, string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** `NAME:GROUP` is the user alone: a guest takes the groups of its own files. No user is root there; here it is `user`. */
function userOf(text: string): string | null {
  if (text === "") return null;
  return validateUser(/^\d+(?::\d+)?$/.test(text) ? text : text.split(":")[0]);
}
