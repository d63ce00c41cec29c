import { timeout } from "../args/duration.js";
import { guestPath } from "../args/guest-path.js";
import { guestUser } from "../args/guest-user.js";
import { outputSize } from "../args/size.js";
import { option } from "../command/define.js";

/** How a command runs in its sandbox: the options `run` and `exec` share. */
export const commandOptions = {
  timeout: option(timeout, "Kill the command after this long and exit with 124, such as 60s"),
  cwd: option({ ...guestPath, label: "DIR" }, "Working directory in the guest", { defaultText: "/home/user" }),
  user: option(guestUser, "User in the guest: user, root, a name or UID[:GID]", { defaultText: "user" }),
  "max-output": option(outputSize, "Output kept of each stream in the --json document", {
    defaultText: "1M",
  }),
} as const;
