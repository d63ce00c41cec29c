import { defaultTenant, findEntry } from "@mvm/evidence";
import { isId } from "@mvm/protocol";
import { createError } from "@mvm/protocol/errors";
import { tenantName } from "../../args/tenant.js";
import { command, option, word } from "../../command/define.js";
import type { ArgType } from "../../command/spec.js";
import { invalidArgument } from "../../errors.js";
import { chainPlace } from "../../evidence/places.js";
import { unreadable } from "../../host-file/read.js";
import { facts } from "../../render/facts.js";

const entryId: ArgType<string> = {
  label: "ID",
  parse: (value) => {
    if (isId(value, "evt")) return value;
    throw invalidArgument(`Cannot use ${JSON.stringify(value.slice(0, 64))} as ID: it is not of the form evt_…`);
  },
};

export default command({
  summary: "Show an entry of the audit log, and the one that closed it",
  positionals: [word("ID", entryId, "Id of the entry, as results and errors name it")],
  options: { tenant: option(tenantName, "Whose log", { defaultText: defaultTenant }) },
  examples: [["audit show evt_01m835r7zw73mnh4vw80gch46j --json", "Shows the entry as JSON"]],
  run: async ({ words: [id], options }, context) => {
    const { directory } = chainPlace(options.tenant ?? defaultTenant);
    const found = await findEntry(directory, id).catch((error: unknown) => {
      throw unreadable(`the log in "${directory}"`, error);
    });
    if (found === undefined) {
      throw createError("INVALID_ARGUMENT", {
        message: `Cannot show ${id}: the log has no such entry`,
        hint: "Name the tenant with --tenant, and the state root with MVM_HOME",
      });
    }
    return context.out.result(found, () => facts(found, context.out.stdout.columns));
  },
});
