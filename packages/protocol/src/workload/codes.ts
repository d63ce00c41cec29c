/**
 * What can be wrong with a workload, by its code. Codes are only ever added: a reader of yesterday's reports understands
 * today's, and none changes its meaning.
 */
export const workloadCodes = {
  E_TOO_LARGE: "the document, or a part of it, has more than its limit",
  E_MALFORMED_JSON: "it is not JSON in UTF-8, or JSON that readers would understand differently",
  E_TOO_DEEP: "it is nested deeper than 32 levels",
  E_MALFORMED_VERSION: "`schema_version` is not two numbers with a dot",
  E_UNSUPPORTED_MAJOR: "the major number of `schema_version` is not 0",
  E_MINOR_TOO_HIGH: "the minor number of `schema_version` is higher than this version understands",
  E_MISSING_FIELD: "a required field is not there",
  E_UNKNOWN_FIELD: "a field that no version has",
  E_UNSUPPORTED_FIELD: "a field that other tools give a meaning and mvm does not; it would be lost",
  E_INVALID_TYPE: "the value is of another type",
  E_INVALID_VALUE: "the value is of the right type and cannot be used",
  E_INVALID_TEXT: "a text holds a NUL or half a surrogate pair",
  E_INVALID_ID: "the id is not a lower-case letter and up to 62 of a-z, 0-9 and `-`",
  E_UNKNOWN_KIND: "`kind` is none of those that can stand here",
  E_EMPTY_APPS: "`apps` is empty",
  E_MULTI_APP_DEFERRED: "`apps` has more than one; a workload is one sandbox",
  E_NO_ENTRYPOINT: "there is neither an entry point nor an operation, so nothing would run",
  E_MULTIPLE_ENTRYPOINTS: "there is more than one entry point",
  E_INVALID_COMMAND: "a command is empty, or too long for Linux",
  E_INVALID_ENV: "a name or value of an environment variable cannot be used",
  E_INVALID_PATH: "a path of the guest cannot be used",
  E_INVALID_HOST: "the host is not a name, an IPv4 address, or `*.` and a name in its one spelling",
  E_INVALID_IMAGE: "the image is not a name or reference, or its digest is not `sha256:` and 64 digits",
  E_INVALID_SECRET: "a secret reference has no usable name, host, header or variable",
  E_SECRET_VARIABLE: "a secret's `mount.var` is not the variable it stands under",
  E_INVALID_TAG: "a key or value of a tag cannot be used",
  E_INVALID_BYTES: "`bytes_b64` is not base64 in its one spelling",
  E_NETWORK_WILDCARD: "a rule of egress would allow everything",
  E_NETWORK_EGRESS_WITH_NONE: "there are rules of egress and `network.mode` is `none`",
  E_DUPLICATE_PORT: "two ports use the same port of the host",
  E_DUPLICATE_FILE: "two files have the same path",
  E_ENV_CONFLICT: "one variable is both an ordinary one and a secret",
} as const;

export type WorkloadCode = keyof typeof workloadCodes;

/** One thing that is wrong: a stable code, the place as a JSON pointer (`""` is the whole), and a sentence with what to do. */
export interface WorkloadProblem {
  readonly code: WorkloadCode;
  readonly path: string;
  readonly detail: string;
}

/** `path` extended by one member, as RFC 6901 writes it. */
export function pointer(path: string, member: string | number): string {
  return `${path}/${String(member).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
