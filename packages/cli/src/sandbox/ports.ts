import type { PortInfo } from "@mvm/protocol";

/** `ADDRESS:PORT` of this host, as clients take it. */
export function hostEnd({ host_address, host_port }: PortInfo): string {
  return `${host_address.includes(":") ? `[${host_address}]` : host_address}:${host_port}`;
}

/** One forward in the form it is asked for. */
export function portText(port: PortInfo): string {
  return `${hostEnd(port)}:${port.guest_port}`;
}
