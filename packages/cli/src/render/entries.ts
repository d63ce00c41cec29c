import type { FileEntryDocument } from "@mvm/protocol";
import { printable } from "./escape.js";
import { table } from "./table.js";

const typeLetters = { file: "-", directory: "d", symlink: "l", fifo: "p", socket: "s", device: "c" } as const;

/** Like `ls -l`: one entry a line, without what a guest's names could do to a terminal. */
export function entryTable(entries: readonly FileEntryDocument[], width: number | undefined): string {
  const hashed = entries.some(({ sha256 }) => sha256 !== undefined);
  return table(
    entries,
    [
      { heading: "MODE", cell: modeText, least: "whole", rank: 1 },
      { heading: "OWNER", cell: ({ uid, gid }) => `${uid}:${gid}`, least: "whole", rank: 4 },
      { heading: "SIZE", cell: ({ size }) => String(size), least: "whole", rank: 2 },
      { heading: "MODIFIED", cell: ({ mtime_ms }) => timeText(mtime_ms), least: 10, rank: 3 },
      ...(hashed
        ? [
            {
              heading: "SHA256",
              cell: ({ sha256 }: FileEntryDocument) => sha256 ?? "",
              least: "whole" as const,
              rank: 1,
            },
          ]
        : []),
      { heading: "NAME", cell: (entry) => entryName(entry) + targetText(entry), least: 12, rank: 0 },
    ],
    width,
  );
}

/** The name on one line; bytes that are no UTF-8 show as U+FFFD. */
export function entryName(entry: FileEntryDocument): string {
  return printable(entry.name ?? decode(entry.name_b64));
}

/** `-rw-r--r--`. */
export function modeText({ type, mode }: FileEntryDocument): string {
  const bits = [0o400, 0o200, 0o100, 0o40, 0o20, 0o10, 0o4, 0o2, 0o1];
  return typeLetters[type] + bits.map((bit, index) => (mode & bit ? "rwx"[index % 3] : "-")).join("");
}

function targetText(entry: FileEntryDocument): string {
  const target = entry.target ?? decode(entry.target_b64);
  return entry.type === "symlink" && target !== "" ? ` -> ${target}` : "";
}

function timeText(milliseconds: number): string {
  const time = new Date(milliseconds);
  return Number.isNaN(time.getTime()) ? "-" : time.toISOString().slice(0, 16).replace("T", " ");
}

function decode(base64: string | undefined): string {
  return base64 === undefined ? "" : Buffer.from(base64, "base64").toString("utf8");
}
