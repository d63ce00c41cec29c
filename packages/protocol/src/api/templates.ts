import { type Static, Type } from "@sinclair/typebox";
import { count, nullable, strict } from "./shapes.js";

/** All that a template depends on, told so that another host can compare it. A difference is refused by name, before anything is read. */
export const TemplateFactsSchema = Type.Object(
  {
    /** Format of the template's files; raised when their meaning changes. */
    format: count,
    backend: Type.String(),
    accel: Type.Union([Type.Literal("kvm"), Type.Literal("tcg")]),
    qemu_version: Type.String(),
    /** sha256 of the program: two builds of a version differ here, wherever and whenever they were installed. */
    qemu_sha256: Type.String(),
    cpu_model: Type.String(),
    /** Model of the host's processor where the guest sees it (kvm); null under emulation. */
    host_cpu: nullable(Type.String()),
    /** Frequency of the host's time stamp counter, which an emulated guest has measured time by; null under kvm. Measured: up to 0.1 % is no difference. */
    tsc_khz: nullable(Type.Number()),
    /** sha256 of the command lines that it was booted with and is restored with, without paths and names. */
    boot_line_sha256: Type.String(),
    restore_line_sha256: Type.String(),
    /** sha256 of the programs that ran before it was saved. */
    warm_up_sha256: Type.String(),
    kernel_sha256: Type.String(),
    initramfs_sha256: Type.String(),
    image_digest: Type.String(),
    cpu: count,
    memory_mb: count,
    disk_mb: count,
  },
  strict,
);
export type TemplateFacts = Static<typeof TemplateFactsSchema>;

export const TemplateInfoSchema = Type.Object(
  {
    /** Name of the template on this host: the hash of all it depends on here. */
    key: Type.String(),
    image: Type.Object({ name: Type.String(), digest: Type.String() }, strict),
    accel: Type.String(),
    cpu: count,
    memory_mb: count,
    disk_mb: count,
  },
  strict,
);
export type TemplateInfo = Static<typeof TemplateInfoSchema>;

/** Query of `POST /v1/templates/import`; its body is an exported archive. `key` is a public key to trust, PEM or base64 of its DER. */
export const TemplateImportQuerySchema = Type.Object(
  { key: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })) },
  strict,
);
/** What machines start from now, and the digest of its archive. */
export const TemplateImportedSchema = Type.Object({ template: TemplateInfoSchema, digest: Type.String() }, strict);
export type TemplateImported = Static<typeof TemplateImportedSchema>;
