import type { SecretList } from "@mvm/protocol";
import { command } from "../../command/define.js";
import { table } from "../../render/table.js";

export default command({
  summary: "List stored secrets, without their values",
  positionals: [],
  options: {},
  examples: [["secret ls", "Shows names, hosts and when each was stored"]],
  run: async (_input, context) => {
    const daemon = await context.daemonOfContents();
    const list = (await daemon?.call<SecretList>({ method: "GET", path: "/secrets", operation: "secrets.list" })) ?? {
      secrets: [],
    };
    await context.out.result(list, () =>
      table(list.secrets, [
        { heading: "NAME", cell: ({ name }) => name },
        { heading: "HOSTS", cell: ({ hosts }) => hosts.join(", ") },
        { heading: "HEADER", cell: ({ header }) => header ?? "any" },
        { heading: "STORED", cell: ({ updated_at }) => updated_at },
      ]),
    );
  },
});
