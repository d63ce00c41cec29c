import { isIP } from "node:net";
import { InvalidArgumentError } from "@mvm/protocol";

/** Where a forward listens unless its caller says otherwise: this host and nobody else. */
export const defaultAddress = "127.0.0.1";

/**
 * The address to bind; `localhost` is 127.0.0.1, other names are not resolved: what they mean could change.
 * @throws {InvalidArgumentError}
 */
export function bindAddress(text: string = defaultAddress): string {
  if (text === "localhost") return defaultAddress;
  if (isIP(text) !== 0 && !text.includes("%")) return text;
  throw new InvalidArgumentError({
    message: "Cannot forward the port: host_address is not an IP address",
    hint: "Use 127.0.0.1 or ::1",
    context: { pointer: "/host_address" },
  });
}

/** Whether only this host can reach the address. */
export function isLoopback(address: string): boolean {
  return isIP(address) === 4 ? address.startsWith("127.") : /^(0{1,4}:){7}0{0,3}1$|^::1$/.test(address);
}
