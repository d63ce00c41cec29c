import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import * as asn1 from "@peculiar/asn1-x509";

/** The same for every sandbox: the guest's agent knows the name OpenSSL looks its certificate up by. */
const subject = "mvm sandbox authority";
const day = 24 * 60 * 60 * 1000;
/** Guests whose clock is a little behind believe it too. */
const before = 2 * day;
const authorityLife = 3650 * day;
/** Of a certificate that stands for a host; another is made after half of it. */
const hostLife = 60 * day;

const signsCertificates = asn1.KeyUsageFlags.keyCertSign | asn1.KeyUsageFlags.cRLSign;
const commonNameType = "2.5.4.3";
const ecdsaWithSha256 = new asn1.AlgorithmIdentifier({ algorithm: "1.2.840.10045.4.3.2" });

/** What the next daemon goes on with. As secret as the key in it. */
export interface SavedAuthority {
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly key: string;
}

interface HostCertificate {
  readonly context: SecureContext;
  readonly renewAt: number;
}

/**
 * The certificate authority of one sandbox. Its certificate is given to the guest; its key never leaves this process, but
 * for the record of a detached sandbox. It can vouch for the hosts it was made for and what is below them, and for no others:
 * a verifier refuses what it signs beyond them.
 */
export class Authority {
  readonly #key: KeyObject;
  /** The key of all certificates that stand for hosts, made when the first is needed. */
  #hostKeys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | undefined;
  readonly #hosts = new Map<string, HostCertificate>();

  private constructor(
    /** PEM. */
    readonly certificate: string,
    key: KeyObject,
  ) {
    this.#key = key;
  }

  /** @param hosts names, or `*.name` for what is below one */
  static make(hosts: readonly string[]): Authority {
    const { publicKey, privateKey } = newKeys();
    const names = [...new Set(hosts.map((host) => host.replace(/^\*\./, "")))].sort();
    const certificate = issue({
      ...{ name: subject, publicKey, signer: privateKey, signerKey: publicKey, life: authorityLife },
      extensions: [
        extension(asn1.id_ce_basicConstraints, new asn1.BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
        extension(asn1.id_ce_keyUsage, new asn1.KeyUsage(signsCertificates), true),
        extension(asn1.id_ce_nameConstraints, constraints(names), true),
      ],
    });
    return new Authority(certificate, privateKey);
  }

  static load({ certificate, key }: SavedAuthority): Authority {
    return new Authority(certificate, createPrivateKey(key));
  }

  save(): SavedAuthority {
    return { certificate: this.certificate, key: this.#key.export({ type: "pkcs8", format: "pem" }).toString() };
  }

  /** How this process speaks TLS in the place of a host. */
  contextFor(host: string): SecureContext {
    const known = this.#hosts.get(host);
    if (known !== undefined && known.renewAt > Date.now()) return known.context;
    this.#hostKeys ??= newKeys();
    const { publicKey, privateKey } = this.#hostKeys;
    const cert = issue({
      // The name is the extension's alone: a common name has at most 64 letters.
      ...{ name: undefined, publicKey, signer: this.#key, signerKey: createPublicKey(this.#key), life: hostLife },
      extensions: [
        extension(asn1.id_ce_basicConstraints, new asn1.BasicConstraints(), true),
        extension(asn1.id_ce_keyUsage, new asn1.KeyUsage(asn1.KeyUsageFlags.digitalSignature), true),
        extension(asn1.id_ce_extKeyUsage, new asn1.ExtendedKeyUsage([asn1.id_kp_serverAuth])),
        extension(
          asn1.id_ce_subjectAltName,
          new asn1.SubjectAlternativeName([new asn1.GeneralName({ dNSName: host })]),
          true,
        ),
      ],
    });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    const context = createSecureContext({ key, cert, minVersion: "TLSv1.2" });
    this.#hosts.set(host, { context, renewAt: Date.now() + hostLife / 2 });
    return context;
  }
}

interface Issue {
  /** Common name of the subject; undefined: it has none. */
  readonly name: string | undefined;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly signerKey: KeyObject;
  /** Milliseconds. */
  readonly life: number;
  readonly extensions: readonly asn1.Extension[];
}

function issue({ name, publicKey, signer, signerKey, life, extensions }: Issue): string {
  const now = Date.now();
  const authorityKey = new asn1.AuthorityKeyIdentifier({ keyIdentifier: new asn1.KeyIdentifier(keyId(signerKey)) });
  const body = new asn1.TBSCertificate({
    version: asn1.Version.v3,
    serialNumber: bytesOf(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    signature: ecdsaWithSha256,
    issuer: commonName(subject),
    validity: new asn1.Validity({ notBefore: new Date(now - before), notAfter: new Date(now + life) }),
    subject: name === undefined ? new asn1.Name([]) : commonName(name),
    subjectPublicKeyInfo: AsnConvert.parse(keyInfo(publicKey), asn1.SubjectPublicKeyInfo),
    extensions: new asn1.Extensions([
      ...extensions,
      extension(asn1.id_ce_subjectKeyIdentifier, new asn1.SubjectKeyIdentifier(keyId(publicKey))),
      extension(asn1.id_ce_authorityKeyIdentifier, authorityKey),
    ]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(body)), signer);
  const certificate = new asn1.Certificate({
    ...{ tbsCertificate: body, signatureAlgorithm: ecdsaWithSha256, signatureValue: bytesOf(signature) },
  });
  const lines =
    Buffer.from(AsnConvert.serialize(certificate))
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** These names and what is below them; of the kinds of names that are no host names, none at all. */
function constraints(names: readonly string[]): asn1.NameConstraints {
  const subtrees = (bases: readonly asn1.GeneralName[]): asn1.GeneralSubtrees =>
    new asn1.GeneralSubtrees(bases.map((base) => new asn1.GeneralSubtree({ base })));
  return new asn1.NameConstraints({
    permittedSubtrees: subtrees(names.map((dNSName) => new asn1.GeneralName({ dNSName }))),
    excludedSubtrees: subtrees(["0.0.0.0/0", "::/0"].map((iPAddress) => new asn1.GeneralName({ iPAddress }))),
  });
}

function extension(extnID: string, value: unknown, critical = false): asn1.Extension {
  return new asn1.Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function commonName(utf8String: string): asn1.Name {
  const value = new asn1.AttributeValue({ utf8String });
  return new asn1.Name([
    new asn1.RelativeDistinguishedName([new asn1.AttributeTypeAndValue({ type: commonNameType, value })]),
  ]);
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}

function keyInfo(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

function keyId(key: KeyObject): ArrayBuffer {
  return bytesOf(createHash("sha256").update(keyInfo(key)).digest().subarray(0, 20));
}

function bytesOf(buffer: Buffer): ArrayBuffer {
  return Uint8Array.from(buffer).buffer;
}
