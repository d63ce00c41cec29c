import { userInfo } from "node:os";
import { defaultTimeToLive, timeToDetach } from "../args/duration.js";
import { tag } from "../args/tag.js";
import { list, option } from "../command/define.js";
import { span } from "../render/units.js";

/** Options of what makes sandboxes from captured state: they outlive the command. */
export const lifetimeOptions = {
  ttl: option(timeToDetach, "Time to live, such as 2h", { defaultText: span(defaultTimeToLive * 1000) }),
  tag: list(tag, "Label of the sandbox"),
};

/** The fields of the request. */
export function lifetimeRequest(options: {
  readonly ttl: number | undefined;
  readonly tag: readonly (readonly [string, string])[];
}): object {
  return {
    detach: true,
    ttl_seconds: options.ttl ?? defaultTimeToLive,
    owner: userInfo().username,
    ...(options.tag.length > 0 ? { tags: Object.fromEntries(options.tag) } : {}),
  };
}
