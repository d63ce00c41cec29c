/** The path of a snapshot's resource. */
export function snapshotPath(ref: string, ...rest: string[]): string {
  return ["/snapshots", encodeURIComponent(ref), ...rest].join("/");
}
