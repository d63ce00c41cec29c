import { pino, type DestinationStream, type Logger as PinoLogger } from "pino";

/**
 * The daemon's own log: ids, counts and names of states. Never argv, environment, paths inside a guest or bytes that
 * crossed the channel: callers pass fields, not messages built from requests.
 */
export type Logger = PinoLogger;

export function createLog(destination: DestinationStream, level = "info"): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** Passes lines on as `clean` leaves them. A line that cannot be cleaned is left out, and a line says so. */
export function cleaned(destination: DestinationStream, clean: (line: string) => string): DestinationStream {
  return {
    write(line) {
      let text: string;
      try {
        text = clean(line);
      } catch {
        text = `${JSON.stringify({ level: 50, time: new Date().toISOString(), msg: "a line is withheld: it could not be redacted" })}\n`;
      }
      destination.write(text);
    },
  };
}
