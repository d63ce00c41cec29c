import type { PoolInfo } from "@mvm/protocol";
import { command } from "../../command/define.js";
import { poolColumns } from "../../pool/columns.js";
import { table } from "../../render/table.js";

export default command({
  summary: "List the pools of waiting machines",
  positionals: [],
  options: {},
  examples: [["pool ls", "Shows how many machines wait, and how often one was there when it was needed"]],
  run: async (_input, context) => {
    const daemon = await context.daemonOfContents();
    const list = (await daemon?.call<{ pools: PoolInfo[] }>({
      method: "GET",
      path: "/pools",
      operation: "pools.list",
    })) ?? { pools: [] };
    await context.out.result(list, () => table(list.pools, poolColumns, context.out.stdout.columns));
  },
});
