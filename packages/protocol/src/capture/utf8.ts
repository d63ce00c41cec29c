const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Bytes of the character that a lead byte begins; 1 for what begins none. */
function characterLength(lead: number): number {
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xc2 && lead < 0xe0 ? 2 : 1;
}

/** Length without a character that is cut off at the end. Bytes that are no UTF-8 are left as they are. */
export function characterEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (isContinuation(byte)) continue;
    return characterLength(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Index of the first whole character. Bytes that are no UTF-8 are left as they are. */
export function characterStart(bytes: Uint8Array): number {
  let at = 0;
  while (at < Math.min(4, bytes.length) && isContinuation(bytes[at] as number)) at++;
  return at > 3 ? 0 : at;
}
