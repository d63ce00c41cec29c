import type { NetworkRule } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const hostPattern = new RegExp(`^(?:\\*\\.)?(?:${label}\\.)*${label}\\.?$`, "i");

/** `HOST[:PORT]` or `[IPv6][:PORT]`; port 443, the default, is HTTPS and checks the name, others pass bytes. */
export const hostRule: ArgType<NetworkRule> = {
  label: "HOST[:PORT]",
  parse: (text) => {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/i.exec(text);
    const host = match?.[1] ?? match?.[2] ?? "";
    const port = match?.[3] === undefined ? 443 : Number(match[3]);
    const named = match?.[1] !== undefined || (host.length <= 253 && hostPattern.test(host));
    if (match === null || !named || port < 1 || port > 65_535) {
      throw invalidArgument(
        `Cannot allow "${text.slice(0, 128)}": it is not HOST or HOST:PORT`,
        "Name a host without scheme or path, such as api.example.com or db.example.com:5432",
      );
    }
    return { host: host.toLowerCase(), port, protocol: port === 443 ? "https" : port === 80 ? "http" : "tcp" };
  },
};
