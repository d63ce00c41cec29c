/** How programs of an image want to be run. Part of the image's own file system too, so that its digest covers it. */
export interface ImageConfig {
  /** Environment of every command, below what the caller gives. */
  env: Readonly<Record<string, string>>;
  /** Directory commands start in; null: the user's home. */
  cwd: string | null;
  /** User commands run as; null: `user`. */
  user: string | null;
  entrypoint: readonly string[] | null;
  command: readonly string[] | null;
  labels: Readonly<Record<string, string>>;
  /** `8080/tcp`. Says what listens; nothing is opened by it. */
  ports: readonly string[];
  /** What runs before the template is saved; null: nothing of its own. */
  warm: WarmUp | null;
}

/** Programs whose memory every clone of the image starts with. Run as the image's user, in its directory. */
export interface WarmUp {
  /** Run to their end, one after the other. */
  run: readonly (readonly string[])[];
  /** Left running in the template, a server for example; null: none. */
  serve: readonly string[] | null;
  /** Asked until it exits with 0: only then is the template saved; null: nothing is asked. */
  ready: readonly string[] | null;
}

export const emptyConfig: ImageConfig = {
  env: {},
  cwd: null,
  user: null,
  entrypoint: null,
  command: null,
  labels: {},
  ports: [],
  warm: null,
};

/** Where an image holds its own configuration; absent where it is empty. */
export const configPath = "/usr/lib/mvm/image.json";

export function isEmptyConfig(config: ImageConfig): boolean {
  return JSON.stringify(config) === JSON.stringify(emptyConfig);
}
