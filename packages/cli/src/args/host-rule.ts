import { isAddress, type NetworkRule, validateHost, validatePort } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";

/** `HOST[:PORT]`; a name on port 443, the default, is HTTPS and checks the name, on 80 HTTP; all else passes bytes. */
export const hostRule: ArgType<NetworkRule> = {
  label: "HOST[:PORT]",
  parse: (text) => {
    const match = /^([^:]*)(?::(\d{1,5}))?$/.exec(text);
    try {
      const host = validateHost(match?.[1] ?? text);
      const port = validatePort(match?.[2] === undefined ? 443 : Number(match[2]));
      return { host, port, protocol: isAddress(host) ? "tcp" : port === 443 ? "https" : port === 80 ? "http" : "tcp" };
    } catch {
      throw invalidArgument(
        `Cannot allow "${text.slice(0, 128)}": it is not HOST or HOST:PORT`,
        "Name a host without scheme or path, such as api.example.com or db.example.com:5432",
      );
    }
  },
};
