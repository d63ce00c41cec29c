export { validateArgv, validateShell } from "./argv.js";
export { formatDuration, parseDuration } from "./duration.js";
export { validateEnv, validateEnvName } from "./env.js";
export { guestPathProblem, validateGuestPath } from "./guest-path.js";
export { invalid, shown } from "./invalid.js";
export { validateImage, validateName, validateRef, validateUser } from "./names.js";
export * from "./numbers.js";
export { parseSize, parseSizeMb } from "./size.js";
export { validateTags } from "./tags.js";
