import type { SnapshotInfo } from "@mvm/protocol";
import type { Column } from "../render/table.js";
import { bytes, span } from "../render/units.js";

/** What a list of snapshots shows. */
export const snapshotColumns: readonly Column<SnapshotInfo>[] = [
  { heading: "NAME", cell: (snapshot) => snapshot.name ?? "-" },
  { heading: "ID", cell: (snapshot) => snapshot.id },
  { heading: "SANDBOX", cell: (snapshot) => snapshot.sandbox.name ?? snapshot.sandbox.id },
  { heading: "IMAGE", cell: (snapshot) => snapshot.image.name },
  { heading: "AGE", cell: (snapshot) => span(Date.now() - Date.parse(snapshot.created_at)), least: 3 },
  { heading: "SIZE", cell: (snapshot) => bytes(snapshot.bytes), least: 4 },
  { heading: "LABELS", cell: (snapshot) => snapshot.labels.join(","), least: 6 },
];
