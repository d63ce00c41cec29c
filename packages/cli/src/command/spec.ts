/** What a shell completion offers for a word: names the daemon knows, files of the host, or a fixed list. */
export type Completion = "sandbox" | "image" | "file" | "directory" | readonly string[];

/** Turns one word of the command line into a value, once; throws `InvalidArgumentError` without quoting secrets. */
export interface ArgType<T> {
  /** Placeholder in usage lines, such as `DURATION`. */
  readonly label: string;
  /** Parses the word. */
  readonly parse: (text: string) => T;
  /** What completions offer. */
  readonly complete?: Completion;
}

/** A `--flag`, a `--option VALUE`, or a `--option VALUE` that may be repeated. */
export interface OptionSpec {
  readonly kind: "flag" | "value" | "list";
  /** Parser of the value; a flag has none. */
  readonly type?: ArgType<unknown>;
  /** One letter, used with a single dash. */
  readonly short?: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  /** The default as the help shows it. */
  readonly defaultText?: string;
  /** Understood, to be refused with a reason; nothing offers it. */
  readonly hidden?: boolean;
}

/** A word that is told by its place. */
export interface PositionalSpec {
  readonly name: string;
  readonly type: ArgType<unknown>;
  readonly summary: string;
  /** `one` is required, `some` takes the rest and needs at least one, `many` takes the rest. */
  readonly arity: "one" | "optional" | "some" | "many";
}

/** Options of a verb by their long names. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** One example of a verb: what is typed after `mvmctl`, and why. */
export type Example = readonly [line: string, meaning: string];

/** Everything about a verb that help, completions, documentation and parsing need. */
export interface CommandSpec {
  /** One sentence without a full stop. */
  readonly summary: string;
  /** More, a paragraph a string. */
  readonly description?: readonly string[];
  readonly positionals: readonly PositionalSpec[];
  readonly options: OptionSpecs;
  /** Set when the words after the positionals are the guest's command, passed on byte for byte. */
  readonly argv?: { readonly label: string; readonly summary: string; readonly optional?: boolean };
  readonly examples: readonly [Example, ...Example[]];
  /** Exit codes that mean something particular here. */
  readonly exits?: Readonly<Record<number, string>>;
  /** True when `--json` prints one object a line. */
  readonly jsonLines?: boolean;
}
