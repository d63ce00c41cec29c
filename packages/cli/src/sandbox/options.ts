import type { CreateRequest } from "@mvm/protocol";
import { defaultTenant, limits } from "@mvm/protocol";
import { accelerator, isolation, profile } from "../args/choice.js";
import { timeToDetach } from "../args/duration.js";
import { envAssignment, envRecord } from "../args/env-assignment.js";
import { hostFile } from "../args/host-path.js";
import { hostRule } from "../args/host-rule.js";
import { imageRef } from "../args/image-ref.js";
import { integer } from "../args/integer.js";
import { mount } from "../args/mount.js";
import { secretBinding } from "../args/secret-binding.js";
import { disk, memory } from "../args/size.js";
import { tag } from "../args/tag.js";
import { tenantName } from "../args/tenant.js";
import { text } from "../args/text.js";
import { flag, list, type Input, option } from "../command/define.js";
import { unsupported } from "../errors.js";

/** What a sandbox is made of: the options `run` and `up` share. */
export const sandboxOptions = {
  image: option(imageRef, "Image to start from", { defaultText: "python" }),
  profile: option(profile, "Policy profile: restrictive, standard, dev or permissive", { defaultText: "standard" }),
  cpus: option(integer("N", limits.cpuMin, limits.cpuMax), "Virtual CPUs", { defaultText: String(limits.cpuDefault) }),
  memory: option(memory, "Memory, such as 512M or 2G", {
    defaultText: `${limits.memoryDefaultMb}M`,
  }),
  disk: option(disk, "Writable disk, such as 2G", {
    defaultText: `${limits.diskDefaultMb / 1024}G`,
  }),
  idle: option(timeToDetach, "Destroy it after this long without use, such as 10m"),
  env: list(envAssignment, "Environment variable of the guest"),
  secret: list(secretBinding, "Stored secret NAME, seen in the guest as a placeholder in ENV"),
  "allow-host": list(
    hostRule,
    "Host the guest may reach, on port 443 unless given; an address, and any other port than 80, is plain TCP",
  ),
  "add-dir": list(mount, "Directory of this host in the guest, read-only unless :rw"),
  tag: list(tag, "Label of the sandbox"),
  tenant: option(tenantName, "Whose audit log and receipts record it", { defaultText: defaultTenant }),
  backend: option(text("BACKEND"), "Backend that runs the machine", { defaultText: "qemu" }),
  accel: option(accelerator, "Accelerator: auto, kvm or tcg", { defaultText: "auto" }),
  "require-isolation": option(isolation, "Refuse to run with less than this isolation: hardware"),
  receipt: option(hostFile, "Write the signed receipt of the run to this new file"),
  "dry-run": flag("Show the plan and whether it would be admitted, and start nothing"),
} as const;

/** The options of what asks for one run: its profile is the narrowest one unless another is named. */
export const runOptions = {
  ...sandboxOptions,
  profile: { ...sandboxOptions.profile, defaultText: "restrictive" },
} as const;

type Values = Input<readonly [], typeof sandboxOptions>["options"];

/** The request the options describe. What the API has no field for is refused by name. */
export function createRequest(values: Values): CreateRequest {
  const secrets = values.secret.map(({ variable, secret }) => [variable, { secret }] as const);
  return defined({
    image: values.image,
    profile: values.profile,
    cpu: values.cpus,
    memory_mb: values.memory,
    disk_mb: values.disk,
    idle_seconds: values.idle,
    env: envRecord(values.env),
    tags: values.tag.length === 0 ? undefined : Object.fromEntries(values.tag),
    backend: values.backend,
    accel: values.accel,
    require_isolation: values["require-isolation"],
    network: values["allow-host"].length === 0 ? undefined : { default: "deny", allow: values["allow-host"] },
    secrets: secrets.length === 0 ? undefined : Object.fromEntries(secrets),
    tenant: values.tenant,
    mounts: values["add-dir"].length === 0 ? undefined : values["add-dir"],
  });
}

/** Throws `BackendUnsupported` when an option asks for what this version cannot do. */
export function refuse(asked: boolean, feature: string, ability: string): void {
  if (!asked) return;
  throw unsupported(feature, `Cannot use --${feature}: this version cannot ${ability} yet`, "Leave the option out");
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined fields: the API refuses what it does not expect. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
