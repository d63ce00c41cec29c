import { type HostPlace, openPlace } from "./host-place.js";
import { isComponent } from "./component.js";
import { invalidArgument } from "../errors.js";
import { linkDenied } from "./refusal.js";

/**
 * Where a copy goes: into the typed path when that is a directory, else to it. A source without a name of its own, the
 * home directory of the guest for example, is merged into the directory.
 */
export function destination(path: string, sourceName: string): HostPlace {
  const place = openPlace(path);
  try {
    const stat = place.parent.stat(place.name);
    if (stat?.isSymbolicLink()) throw linkDenied(place.parent.show(place.name));
    if (stat === null && path.endsWith("/")) throw invalidArgument(`Cannot copy into "${path}": it does not exist`);
    if (!stat?.isDirectory() || !isComponent(sourceName)) return place;
    const directory = place.parent.openDirectory(place.name);
    place.parent.close();
    return { parent: directory, name: sourceName, [Symbol.dispose]: () => directory.close() };
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
}
