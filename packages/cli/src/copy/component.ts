const maxBytes = 255;

/** Whether a text names exactly one entry of a directory, and nothing above, below or beside it. */
export function isComponent(name: string): boolean {
  return (
    name !== "" &&
    name !== "." &&
    name !== ".." &&
    !name.includes("/") &&
    !name.includes("\0") &&
    Buffer.byteLength(name) <= maxBytes
  );
}
