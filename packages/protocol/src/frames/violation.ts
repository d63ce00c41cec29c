import { TransportError } from "../errors/transport-classes.js";

/** What is wrong with bytes of the channel; stable, part of the golden frames. */
export type Violation =
  | "bad_magic"
  | "bad_sync"
  | "bad_type"
  | "bad_direction"
  | "bad_flags"
  | "bad_stream"
  | "bad_length"
  | "too_large"
  | "bad_message"
  | "no_sync";

/** The error of bytes the protocol does not allow: a `TransportError` with code `PROTOCOL_VIOLATION`. */
export function violation(
  kind: Violation,
  detail: string,
  context: Readonly<Record<string, string | number>> = {},
): TransportError {
  return new TransportError({
    code: "PROTOCOL_VIOLATION",
    message: `Cannot read the channel: ${detail}`,
    context: { ...context, violation: kind },
  });
}
