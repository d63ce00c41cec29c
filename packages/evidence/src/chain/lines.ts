const lineFeed = 0x0a;

/**
 * Calls back with each complete line of some bytes, without its line feed, until the callback says false.
 * @returns bytes of the lines that were accepted, with their line feeds
 */
export function eachLine(bytes: Buffer, take: (line: Buffer) => boolean): number {
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(lineFeed, at);
    if (end < 0 || !take(bytes.subarray(at, end))) return at;
    at = end + 1;
  }
}
