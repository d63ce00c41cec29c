import { limits, type PortForwardBody } from "@mvm/protocol";
import type { ArgType } from "../command/spec.js";
import { invalidArgument } from "../errors.js";
import { integer } from "./integer.js";

/** `[HOSTADDR:]HOSTPORT:GUESTPORT`; an IPv6 address stands in brackets. */
export const portBinding: ArgType<PortForwardBody> = {
  label: "[HOSTADDR:]HOSTPORT:GUESTPORT",
  parse: (text) => {
    const match = /^(?:\[([0-9a-f:.]+)\]:|([^:[\]\s]+):)?([^:]+):([^:]+)$/i.exec(text);
    if (match === null) {
      throw invalidArgument(
        `Cannot forward "${text.slice(0, 128)}": it is not [HOSTADDR:]HOSTPORT:GUESTPORT`,
        "Name both ends, such as 8080:80 or 127.0.0.1:8080:80; host port 0 takes any that is free",
      );
    }
    const address = match[1] ?? match[2];
    return {
      ...(address !== undefined && { host_address: address }),
      host_port: integer("HOSTPORT", 0, limits.portMax).parse(match[3] ?? ""),
      guest_port: integer("GUESTPORT", 1, limits.portMax).parse(match[4] ?? ""),
    };
  },
};

/** A port of this host. */
export const hostPort = integer("HOSTPORT", 1, limits.portMax);
