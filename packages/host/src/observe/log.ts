import { pino, type DestinationStream, type Logger as PinoLogger } from "pino";

/**
 * The daemon's own log: ids, counts and names of states. Never argv, environment, paths inside a guest or bytes that
 * crossed the channel: callers pass fields, not messages built from requests.
 */
export type Logger = PinoLogger;

export function createLog(destination: DestinationStream, level = "info"): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
