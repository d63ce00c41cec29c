import { Errno } from "./errno.js";
import type { Body } from "./wire.js";

/** A single name, as the guest's programs give it. @throws {Errno} EINVAL: it could mean another directory */
export function nameOf(body: Body): Buffer {
  const name = body.text();
  const text = name.toString("latin1");
  if (text === "" || text === "." || text === ".." || text.includes("/")) throw new Errno("EINVAL");
  if (name.length > 255) throw new Errno("ENAMETOOLONG");
  return name;
}
