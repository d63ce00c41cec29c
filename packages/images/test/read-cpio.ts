export interface CpioMember {
  path: string;
  mode: number;
  device: [number, number];
  content: string;
}

/** Reads a newc archive back, written from the format's description and not from the writer. */
export function readCpio(archive: Buffer): CpioMember[] {
  const members: CpioMember[] = [];
  for (let at = 0; ;) {
    const field = (index: number): number =>
      parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    if (archive.toString("latin1", at, at + 6) !== "070701") throw new Error(`no header at ${at}`);
    const [mode, size, major, minor, nameSize] = [field(1), field(6), field(9), field(10), field(11)];
    const path = archive.toString("utf8", at + 110, at + 110 + nameSize - 1);
    const start = align(at + 110 + nameSize);
    if (path === "TRAILER!!!") return members;
    members.push({ path, mode, device: [major, minor], content: archive.toString("latin1", start, start + size) });
    at = align(start + size);
  }
}

function align(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}
