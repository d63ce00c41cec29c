import { existsSync } from "node:fs";
import { defaultTenant, verifyChain } from "@mvm/evidence";
import { hostFile } from "../../args/host-path.js";
import { tenantName } from "../../args/tenant.js";
import { command, option } from "../../command/define.js";
import { chainPlace, trustedKeys } from "../../evidence/places.js";
import { unreadable } from "../../host-file/read.js";
import { verificationFailed } from "../../evidence/verification.js";

export default command({
  summary: "Verify that the audit log is whole and unchanged",
  description: [
    "Reads the files alone: no daemon, no network, and any user who can read them. Pin the public key with --key to " +
      "verify on another machine, or to notice that the key was exchanged.",
  ],
  positionals: [],
  options: {
    tenant: option(tenantName, "Whose log", { defaultText: defaultTenant }),
    key: option({ ...hostFile, label: "PUB" }, "Public key to trust, in PEM, instead of the state root's own"),
  },
  examples: [
    ["audit verify", "Verifies the log of this state root"],
    ["audit verify --key audit.pub --json", "Verifies it against a key kept elsewhere"],
  ],
  exits: { 65: "The log does not verify; the first bad line and the reason are named" },
  run: async ({ options }, context) => {
    const tenant = options.tenant ?? defaultTenant;
    const { directory, lock } = chainPlace(tenant);
    const { current: key } = trustedKeys("audit", options.key);
    const what = `the log of tenant "${tenant}"`;
    if (key === null) {
      const empty = { ok: true, tenant, entries: 0, head: null, empty: true };
      if (!existsSync(directory)) return context.out.result(empty, () => nothing(tenant));
      const detail = "there is no public key to verify it with";
      return verificationFailed(context, what, { tenant, entries: 0, reason: "head_signature", detail });
    }
    const verdict = await verifyChain({ directory, tenant, key, lock }).catch((error: unknown) => {
      throw unreadable(`the log in "${directory}"`, error);
    });
    if (!verdict.ok) {
      const { file, line } = verdict;
      const detail = line === null ? verdict.detail : `line ${line} of ${file}: ${verdict.detail}`;
      return verificationFailed(context, what, { ...verdict, detail });
    }
    const { entries, head, open } = verdict;
    return context.out.result(verdict, () =>
      verdict.empty
        ? nothing(tenant)
        : `tenant ${tenant}: ${entries} entries, whole and unchanged; ${open} under way\nhead ${head}`,
    );
  },
});

function nothing(tenant: string): string {
  return `tenant ${tenant}: nothing was ever recorded`;
}
