declare const MVMCTL_VERSION: string | undefined;

/** Version of the package, put in by the bundler. */
export const version: string = typeof MVMCTL_VERSION === "string" ? MVMCTL_VERSION : "0.0.0-unbundled";
