import { type TemplateInfo, validateImage } from "@mvm/protocol";
import { DaemonClient } from "../client/index.js";
import { onlyLive } from "../record/mode.js";
import type { ClientOptions } from "../sandbox/options.js";
import { exportArchive, type ImportOptions, importTemplate } from "./archive.js";

/** What sandboxes of an image start from instead of booting. Hosts make their own; moving one saves another host that boot. */
export class Template {
  /** Its name on this host. */
  readonly key: string;
  /** Image, accelerator and size of the sandboxes that start from it; shapes as in docs/api.md. */
  readonly info: TemplateInfo;

  private constructor(info: TemplateInfo) {
    this.key = info.key;
    this.info = info;
  }

  /**
   * Writes a template to an archive for another host: signed, there whole or not at all. Resolves with the archive's digest.
   * Throws `AssetNotFoundError` when there is none, `InvalidArgumentError` naming the keys when the image has several.
   * @param ref an image by name or digest, or the template's key
   */
  static async export(ref: string, file: string, options?: ClientOptions): Promise<string> {
    onlyLive("templates.export");
    return await exportArchive(new DaemonClient(options), "templates", validateImage(ref), file);
  }

  /**
   * Reads a template from an archive that `export` wrote, here or on a host whose key is given. Signature, image and host are
   * compared before anything else is read; an archive that is refused leaves nothing. Throws `SnapshotMismatchError` or
   * `BackendUnsupported` naming what differs.
   */
  static async import(file: string, options: Pick<ImportOptions, "key"> & ClientOptions = {}): Promise<Template> {
    onlyLive("templates.import");
    const { key, ...rest } = options;
    return new Template((await importTemplate(new DaemonClient(rest), file, key)).template);
  }
}
