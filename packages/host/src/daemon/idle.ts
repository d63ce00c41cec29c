import { deadline } from "@mvm/protocol";
import type { Registry } from "../sandboxes/registry.js";

/** Calls back once the daemon has had no sandbox for `idleMs`. */
export function exitWhenIdle(registry: Registry, onIdle: () => void, idleMs = deadline("daemonIdle")): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    clearTimeout(timer);
    if (registry.size === 0) timer = setTimeout(onIdle, idleMs);
  };
  registry.onChange = look;
  look();
  return () => {
    registry.onChange = () => undefined;
    clearTimeout(timer);
  };
}
