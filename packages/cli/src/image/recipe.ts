import { basename, resolve } from "node:path";
import { type FlakePlace, parseFlake } from "@mvm/images";
import { type BuildRequest, type ImageBuildRecipe, limits, validateImage } from "@mvm/protocol";
import { shellLine } from "../args/argv-line.js";
import { envAssignment, envRecord } from "../args/env-assignment.js";
import { hostFile } from "../args/host-path.js";
import { hostRule } from "../args/host-rule.js";
import { imageRef } from "../args/image-ref.js";
import { integer } from "../args/integer.js";
import { packageSpec } from "../args/package-spec.js";
import { disk, memory } from "../args/size.js";
import { text } from "../args/text.js";
import { flag, type Input, list, option } from "../command/define.js";
import { invalidArgument } from "../errors.js";
import { defined } from "../sandbox/options.js";

/** What an image is built from, besides a name of the catalogue. */
export const recipeOptions = {
  tag: option(imageRef, "Name of the new image"),
  from: option(imageRef, "Image to start from"),
  pip: list(packageSpec, 'Package of pip, such as "requests==2.*"'),
  npm: list(packageSpec, 'Package of npm, such as "left-pad@^1.3"'),
  apt: list(packageSpec, 'Package of Debian, such as "jq" or "jq=1.7*"'),
  file: option(hostFile, "Dockerfile", { short: "f", defaultText: "CONTEXT/Dockerfile" }),
  "build-arg": list(envAssignment, "Value of an ARG of the Dockerfile"),
  target: option(text("STAGE"), "Stage of the Dockerfile to build", { defaultText: "the last" }),
  substituter: list(text("URL|FOLDER"), "Binary cache that store paths of a flake may come from"),
  "trusted-key": list(text("NAME:KEY"), "Key that a binary cache is believed by"),
  "allow-host": list(hostRule, "Host the build's commands may reach; port 443 unless given"),
  warm: list(shellLine, "Command to run before the template is saved"),
  serve: option(shellLine, "Command to leave running in the template"),
  ready: option(shellLine, "Command that exits with 0 when the template may be saved"),
  "no-cache": flag("Build again what was built before"),
  cpus: option(integer("N", limits.cpuMin, limits.cpuMax), "Virtual CPUs of the build's machine", { defaultText: "1" }),
  memory: option(memory, "Memory of the build's machine", { defaultText: "1024M" }),
  disk: option(disk, "Disk of the build's machine", { defaultText: `${limits.diskDefaultMb / 1024}G` }),
} as const;

type Values = Input<readonly [], typeof recipeOptions>["options"];

/** The request that a command line describes. @param word a name of the catalogue, or the directory of a Dockerfile */
export function buildRequest(word: string | undefined, values: Values): BuildRequest {
  const { tag, from, file } = values;
  const flake = word === undefined ? undefined : parseFlake(word);
  if (flake !== undefined) return flakeRequest(flake, values);
  if (values.substituter.length + values["trusted-key"].length > 0) {
    throw unclear("binary caches go with a flake, nix:DIRECTORY#ATTRIBUTE");
  }
  if (tag === undefined) {
    if (word === undefined || from !== undefined || file !== undefined) throw unclear("the new image has no name");
    return { name: validateImage(word) };
  }
  const packaged = from !== undefined;
  if (packaged && (word !== undefined || file !== undefined)) {
    throw unclear("a Dockerfile names what it starts from, so --from does not go with it");
  }
  return { name: tag, recipe: { ...common(values), ...(packaged ? packages(values) : dockerfile(word, values)) } };
}

function common(values: Values): ImageBuildRecipe {
  const { warm, serve, ready } = values;
  const warms = warm.length > 0 || serve !== undefined || ready !== undefined;
  return defined({
    network: values["allow-host"].length === 0 ? undefined : { default: "deny", allow: values["allow-host"] },
    warm: warms ? defined({ run: warm.length === 0 ? undefined : warm, serve, ready }) : undefined,
    cache: values["no-cache"] ? false : undefined,
    cpu: values.cpus,
    memory_mb: values.memory,
    disk_mb: values.disk,
  });
}

function packages({ from, pip, npm, apt }: Values): ImageBuildRecipe {
  const named = Object.entries({ pip, npm, apt }).filter(([, specs]) => specs.length > 0);
  return defined({ from, packages: named.length === 0 ? undefined : Object.fromEntries(named) });
}

function dockerfile(word: string | undefined, values: Values): ImageBuildRecipe {
  if (values.pip.length + values.npm.length + values.apt.length > 0) {
    throw unclear("packages go with --from; a Dockerfile installs its own");
  }
  const { file, target } = values;
  const context = resolve(word ?? ".");
  const args = envRecord(values["build-arg"]);
  return {
    dockerfile: {
      context,
      ...(file !== undefined && { file: resolve(file) }),
      ...(args !== undefined && { build_args: args }),
      ...(target !== undefined && { target }),
    },
  };
}

/** Without a name the image is called as the attribute, or, where that says nothing, as the directory. */
function flakeRequest({ path, attribute }: FlakePlace, values: Values): BuildRequest {
  if (
    values.from !== undefined ||
    values.file !== undefined ||
    values.pip.length + values.npm.length + values.apt.length > 0
  ) {
    throw unclear("a flake starts from nothing and brings its own packages");
  }
  const directory = resolve(path);
  const { substituter, "trusted-key": keys } = values;
  const flake = {
    ...{ directory, attribute },
    ...(substituter.length > 0 && { substituters: substituter.map(absoluteFolder) }),
    ...(keys.length > 0 && { trusted_keys: keys }),
  };
  const last = attribute === "default" ? basename(directory) : attribute.slice(attribute.lastIndexOf(".") + 1);
  const name = values.tag ?? last.toLowerCase().replace(/[^a-z0-9._-]/g, "-");
  return { name: validateImage(name), recipe: { ...common(values), flake } };
}

function absoluteFolder(text: string): string {
  if (/^https?:/.test(text)) return text;
  return resolve(text.replace(/^file:\/\//, ""));
}

function unclear(why: string): Error {
  return invalidArgument(
    `Cannot tell what to build: ${why}`,
    "Write `image build NAME`, `image build --from IMAGE --pip PACKAGE --tag NAME`, `image build -f Dockerfile CONTEXT --tag NAME` or `image build nix:DIRECTORY#ATTRIBUTE`",
  );
}
