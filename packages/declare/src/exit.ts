/** Exit code of a compiling process that could not load what it needs. */
export const brokenExit = 3;
