import type { PoolInfo } from "@mvm/protocol";
import type { Column } from "../render/table.js";

/** What a list of pools shows. */
export const poolColumns: readonly Column<PoolInfo>[] = [
  { heading: "IMAGE", cell: (pool) => pool.image },
  { heading: "CPUS", cell: (pool) => String(pool.cpu), rank: 5 },
  { heading: "MEMORY", cell: (pool) => `${pool.memory_mb}M` },
  { heading: "DISK", cell: (pool) => `${pool.disk_mb}M` },
  { heading: "SIZE", cell: (pool) => String(pool.size) },
  { heading: "READY", cell: (pool) => String(pool.ready) },
  { heading: "CLAIMED", cell: (pool) => String(pool.claimed) },
  { heading: "MISSED", cell: (pool) => String(pool.missed) },
  { heading: "PROBLEM", cell: (pool) => pool.problem ?? "", least: 20, rank: 2 },
];
