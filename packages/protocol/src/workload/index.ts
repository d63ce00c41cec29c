/** The Workload IR: what a sandbox is made of and what runs in it, to be reviewed and hashed before anything starts. */
export { canonicalWorkload, compiledDocument, irHash } from "./canonical.js";
export { pointer, type WorkloadCode, workloadCodes, type WorkloadProblem } from "./codes.js";
export { type Declaration, declarationFields } from "./declaration.js";
export { workloadLimits } from "./limits.js";
export { type Lowered, lowerDeclaration } from "./lower.js";
export { normalizeWorkload } from "./normalize.js";
export { type Parsed, parseWorkload } from "./parse.js";
export { type App, type EnvValue, type Operation, type Workload, WorkloadSchema } from "./schema.js";
export { validateWorkload } from "./validate.js";
