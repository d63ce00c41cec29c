/**
 * Whether a link with this target, made that many directories below the top of a share, leads to something below the top. A
 * program of the host that follows a link out of the directory would act for the guest on what the guest cannot reach.
 */
export function isKeptWithin(target: Buffer, depth: number): boolean {
  const text = target.toString("latin1");
  if (text === "" || text.startsWith("/")) return false;
  let left = depth;
  for (const part of text.split("/")) {
    if (part === "..") left -= 1;
    else if (part !== "" && part !== ".") left += 1;
    if (left < 0) return false;
  }
  return true;
}
