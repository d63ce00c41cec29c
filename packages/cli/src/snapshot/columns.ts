import type { SnapshotInfo } from "@mvm/protocol";
import type { Column } from "../render/table.js";
import { bytes, span } from "../render/units.js";

/** What a list of snapshots shows. Without a name the id is what the other verbs are told, so it stays. */
export function snapshotColumns(snapshots: readonly SnapshotInfo[]): readonly Column<SnapshotInfo>[] {
  const named = snapshots.every(({ name }) => name !== null);
  return [
    { heading: "NAME", cell: (snapshot) => snapshot.name ?? "", least: 16, rank: 0 },
    { heading: "ID", cell: (snapshot) => snapshot.id, least: "whole", rank: named ? 5 : 0 },
    { heading: "SANDBOX", cell: ({ sandbox }) => sandbox.name ?? sandbox.id, least: 12, rank: 2 },
    { heading: "IMAGE", cell: (snapshot) => snapshot.image.name, least: 8, rank: 3 },
    {
      heading: "AGE",
      cell: (snapshot) => span(Date.now() - Date.parse(snapshot.created_at)),
      least: "whole",
      rank: 1,
    },
    { heading: "SIZE", cell: (snapshot) => bytes(snapshot.bytes), least: "whole", rank: 1 },
    { heading: "LABELS", cell: (snapshot) => snapshot.labels.join(","), least: 8, rank: 4 },
  ];
}
