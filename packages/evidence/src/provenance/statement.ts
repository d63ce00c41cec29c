import { statementType } from "../envelope/envelope.js";

/** SLSA build provenance v1: https://slsa.dev/spec/v1.0/provenance */
export const provenanceType = "https://slsa.dev/provenance/v1";

/** Who builds: an mvm on somebody's own host, whose key is the signature's. */
export const builderId = "https://mvm.dev/host/v1";

/** How an image came to be. Each stands for a meaning of `externalParameters`, which docs/images.md gives. */
export const buildTypes = {
  catalogue: "https://mvm.dev/image/catalogue/v1",
  build: "https://mvm.dev/image/build/v1",
  flake: "https://mvm.dev/image/flake/v1",
  pull: "https://mvm.dev/image/pull/v1",
} as const;

/** Something an image is made of. */
export interface Dependency {
  readonly uri: string;
  readonly digest?: { readonly sha256: string };
}

/** What a statement about an image says. */
export interface ProvenanceFacts {
  readonly name: string;
  /** Hex sha256 of the image file. */
  readonly sha256: string;
  /** Hex sha256 of the image's bill of materials, and its media type. */
  readonly sbom: { readonly sha256: string; readonly mediaType: string };
  readonly kind: keyof typeof buildTypes;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What this host did on its own account. */
  readonly internal: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly Dependency[];
  /** Version of mvm. */
  readonly version: string;
  /** RFC 3339, UTC. */
  readonly finishedAt: string;
}

/** An in-toto Statement v1 about one image. */
export interface ImageProvenance {
  readonly _type: typeof statementType;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof provenanceType;
  readonly predicate: {
    readonly buildDefinition: {
      readonly buildType: string;
      readonly externalParameters: Readonly<Record<string, unknown>>;
      readonly internalParameters: Readonly<Record<string, unknown>>;
      readonly resolvedDependencies: readonly Dependency[];
    };
    readonly runDetails: {
      readonly builder: { readonly id: string; readonly version: Readonly<Record<string, string>> };
      readonly metadata: { readonly finishedOn: string };
      readonly byproducts: readonly {
        readonly name: string;
        readonly mediaType: string;
        readonly digest: { readonly sha256: string };
      }[];
    };
  };
}

export function provenanceStatement(facts: ProvenanceFacts): ImageProvenance {
  const { name, sha256, sbom, kind, parameters, internal, dependencies, version, finishedAt } = facts;
  return {
    _type: statementType,
    subject: [{ name, digest: { sha256 } }],
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType: buildTypes[kind],
        externalParameters: parameters,
        internalParameters: internal,
        resolvedDependencies: dependencies,
      },
      runDetails: {
        builder: { id: builderId, version: { mvm: version } },
        metadata: { finishedOn: finishedAt },
        byproducts: [{ name: "sbom", mediaType: sbom.mediaType, digest: { sha256: sbom.sha256 } }],
      },
    },
  };
}
