import { constants } from "node:os";

/** A refusal of this side, as the guest's kernel reports it to the program. */
export class Errno extends Error {
  readonly errno: number;
  constructor(name: keyof typeof constants.errno) {
    super(name);
    this.errno = -constants.errno[name];
  }
}

/** The negative number for an answer: the system call's own, or EIO for what is none. */
export function errnoOf(error: unknown): number {
  const number = (error as { errno?: unknown }).errno;
  return typeof number === "number" && number < 0 ? number : -constants.errno.EIO;
}
