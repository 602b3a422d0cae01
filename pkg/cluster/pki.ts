/**
 * The keys and certificates of one cluster, kept as files in its data folder: an authority, the API server's serving certificate, one client
 * certificate for the person and for each component, and the key that signs service-account tokens.
 *
 * Invariants: private keys are readable by their owner only, and one that is not any more is refused. What exists is kept; a certificate is issued anew when it is missing, will
 * expire within `renewDays`, was signed by another authority, or does not name what it has to. A file that is there and holds something else
 * is never replaced: it may be the last trace of a key that somebody needs. Upstream counterpart: kubeadm's `certs` phase.
 */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { issueAuthority, issueLeaf, subjectOf } from '#pkg/pki/certificate.ts';
import type { CertificatePair, Subject } from '#pkg/pki/pair.ts';
import { type ComponentTable, componentTable, identitiesOf } from './components.ts';

/** Identities that are no component's. Source: kubeadm's `admin.conf` and `apiserver-kubelet-client.crt`. */
const otherIdentities: Readonly<Record<string, Subject>> = {
  admin: { commonName: 'kubernetes-admin', organizations: ['kubeadm:cluster-admins'] },
  'kubelet-client': { commonName: 'kube-apiserver-kubelet-client', organizations: ['kubeadm:cluster-admins'] },
};

/** In whose name the nodes of one process read together what each of them may read. Has no certificate. */
const nodesSubject: Subject = { commonName: 'system:coxswain:nodes' };

/** The keys and certificates; all of it PEM. */
export interface Pki {
  /** Certificate and key of the authority. */
  readonly authority: CertificatePair;
  /** What the API server shows to its clients. */
  readonly server: CertificatePair;
  /** Client certificates by name of identity: those of the components, such as `scheduler` and `node:<name>`, `admin` and `kubelet-client`. */
  readonly identities: ReadonlyMap<string, CertificatePair>;
  /** What the API server shows to servers behind it, and PEM of the authority by which they know it. */
  readonly frontProxy: { readonly authority: string; readonly client: CertificatePair };
  /** PEM of the key pair that signs and checks service-account tokens. */
  readonly serviceAccount: { readonly privateKey: string; readonly publicKey: string };
}

/** @internal */
export interface PkiOptions {
  /** Where the files are; made when missing. */
  readonly folder: string;
  readonly clock: Clock;
  readonly nodeNames: readonly string[];
  /** Further names and addresses the API server is reached at. */
  readonly hosts?: readonly string[];
  /** Default: those that there are. */
  readonly components?: ComponentTable;
}

const authorityDays = 3650;
const leafDays = 365;
const renewDays = 90;
const dayMs = 86_400_000;

/** The names that the API server has everywhere, inside the cluster and on this machine. */
const serverHosts: readonly string[] = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
  '127.0.0.1',
  '::1',
];

/** User and groups that an identity stands for. Source: upstream's component certificates, as kubeadm issues them. @internal */
export function identitySubject(identity: string, components: ComponentTable = componentTable): Subject {
  if (identity === 'nodes') return nodesSubject;
  const other = Object.hasOwn(otherIdentities, identity) ? otherIdentities[identity] : undefined;
  if (other !== undefined) return other;
  const colon = identity.indexOf(':');
  const name = colon < 0 ? identity : identity.slice(0, colon);
  const entry = Object.values(components).find((one) => one.identity?.name === name && one.perNode === colon >= 0);
  if (entry?.identity === undefined)
    throw new Error(`Cannot name the subject of a certificate as the identity is unknown: ${identity}`);
  return entry.identity.subject(colon < 0 ? '' : identity.slice(colon + 1));
}

/** User and groups of a service account in `kube-system`, for a component of this process that needs no token. @internal */
export function accountSubject(name: string): Required<Subject> {
  const namespace = 'kube-system';
  return {
    commonName: `system:serviceaccount:${namespace}:${name}`,
    organizations: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  };
}

/** The cluster's keys and certificates, read from `folder` or made and written there. @internal */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const nowMs = options.clock.nowMs();
  const files = new PairFiles(options.folder);
  await makeFolder(options.folder);

  const keptAuthority = files.read('ca');
  const authority =
    keptAuthority === undefined || expiresWithin(keptAuthority, nowMs, renewDays)
      ? issueAuthority({ subject: { commonName: 'coxswain-ca' }, nowMs, validDays: authorityDays })
      : keptAuthority;

  const issuer = authority;
  const hosts = [...new Set([...serverHosts, ...(options.hosts ?? [])])];
  const { components = componentTable } = options;
  const names = [
    ...Object.keys(otherIdentities),
    ...Object.values(components).flatMap((entry) => identitiesOf(entry, options.nodeNames)),
  ];
  const wanted = [
    { file: 'apiserver', subject: { commonName: 'kube-apiserver' }, serverNames: hosts },
    ...names.map((name) => ({
      file: identityFile(name),
      subject: identitySubject(name, components),
      serverNames: undefined,
    })),
  ];
  // Everything is read before anything is written: a file that cannot be used leaves the others as they are.
  const kept = wanted.map(({ file }) => files.read(file));
  const serviceAccount = ensureServiceAccountKey(files);
  const frontProxy = ensureFrontProxy(files, nowMs);
  if (authority !== keptAuthority) files.write('ca', authority);
  const [server, ...clients] = wanted.map(({ file, subject, serverNames }, index): CertificatePair => {
    const pair = kept[index];
    if (pair !== undefined && stillGood(pair, { issuer, subject, nowMs, hosts: serverNames })) return pair;
    const usage = serverNames === undefined ? 'client' : 'server';
    const named = serverNames === undefined ? {} : { hosts: serverNames };
    const made = issueLeaf(issuer, { subject, nowMs, validDays: leafDays, usage, ...named });
    files.write(file, made);
    return made;
  });
  return {
    authority,
    server: server!,
    serviceAccount,
    frontProxy,
    identities: new Map(names.map((name, index) => [name, clients[index]!])),
  };
}

/** Base name of the files of an identity. */
function identityFile(identity: string): string {
  return identity.replace(':', '-');
}

/** Source: kubeadm's `front-proxy-ca.crt` and `front-proxy-client.crt`. */
const frontProxySubject: Subject = { commonName: 'front-proxy-client' };

/** An authority of its own: who has a certificate of the cluster's must not be taken for the API server by servers behind it. */
function ensureFrontProxy(files: PairFiles, nowMs: number): Pki['frontProxy'] {
  const keptAuthority = files.read('front-proxy-ca');
  const keptClient = files.read('front-proxy-client');
  const isGood = keptAuthority !== undefined && !expiresWithin(keptAuthority, nowMs, renewDays);
  const issuer = isGood
    ? keptAuthority
    : issueAuthority({ subject: { commonName: 'front-proxy-ca' }, nowMs, validDays: authorityDays });
  if (!isGood) files.write('front-proxy-ca', issuer);
  const wanted = { issuer, subject: frontProxySubject, nowMs, hosts: undefined };
  if (keptClient !== undefined && stillGood(keptClient, wanted))
    return { authority: issuer.certificate, client: keptClient };
  const client = issueLeaf(issuer, { subject: frontProxySubject, nowMs, validDays: leafDays, usage: 'client' });
  files.write('front-proxy-client', client);
  return { authority: issuer.certificate, client };
}

function ensureServiceAccountKey(files: PairFiles): Pki['serviceAccount'] {
  const kept = files.readText('sa.key');
  if (kept !== undefined) {
    const publicKey = files.publicKeyOf('sa.key', kept);
    // The public half follows from the private one.
    if (files.readText('sa.pub') !== publicKey) files.writeText('sa.pub', publicKey);
    return { privateKey: kept, publicKey };
  }
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  files.writeText('sa.key', pair.privateKey);
  files.writeText('sa.pub', pair.publicKey);
  return pair;
}

function expiresWithin(pair: CertificatePair, nowMs: number, days: number): boolean {
  return new X509Certificate(pair.certificate).validToDate.getTime() - nowMs < days * dayMs;
}

interface Wanted {
  readonly issuer: CertificatePair;
  readonly subject: Subject;
  readonly nowMs: number;
  readonly hosts: readonly string[] | undefined;
}

function stillGood(pair: CertificatePair, wanted: Wanted): boolean {
  if (expiresWithin(pair, wanted.nowMs, renewDays)) return false;
  const certificate = new X509Certificate(pair.certificate);
  if (!certificate.verify(new X509Certificate(wanted.issuer.certificate).publicKey)) return false;
  const subject = subjectOf(certificate);
  if (subject.commonName !== wanted.subject.commonName) return false;
  if (subject.organizations?.join() !== (wanted.subject.organizations ?? []).join()) return false;
  return (wanted.hosts ?? []).every((host) =>
    isIP(host) === 0 ? certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined,
  );
}

function spkiPem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/**
 * Pairs as `<name>.crt` and `<name>.key`; a pair of which one file is missing counts as missing. Reads and writes at once: they are small, and a start has nothing else to do
 * before it has all of them.
 */
class PairFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(name: string): CertificatePair | undefined {
    const certificate = this.readText(`${name}.crt`);
    const key = this.readText(`${name}.key`);
    const parsed = certificate === undefined ? undefined : this.#certificateOf(`${name}.crt`, certificate);
    const publicKey = key === undefined ? undefined : this.publicKeyOf(`${name}.key`, key);
    if (certificate === undefined || key === undefined || parsed === undefined) return undefined;
    if (spkiPem(parsed.publicKey) !== publicKey) {
      const [file, other] = [`${name}.key`, `${name}.crt`].map((one) => join(this.#folder, one));
      throw new UserError(
        `Cannot use ${file} as it is not the key of ${other}: restore them, or remove both to have new ones made`,
      );
    }
    return { certificate, key };
  }

  #certificateOf(file: string, text: string): X509Certificate {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw this.#broken(file, 'certificate', error);
    }
  }

  /** PEM of the public half of a private key. */
  publicKeyOf(file: string, text: string): string {
    try {
      return spkiPem(createPublicKey(createPrivateKey(text)));
    } catch (error) {
      throw this.#broken(file, 'private key', error);
    }
  }

  #broken(file: string, kind: string, cause: unknown): UserError {
    const path = join(this.#folder, file);
    return new UserError(
      `Cannot use ${path} as it holds no ${kind}: restore it, or remove it to have a new one made`,
      cause,
    );
  }

  write(name: string, pair: CertificatePair): void {
    this.writeText(`${name}.key`, pair.key);
    this.writeText(`${name}.crt`, pair.certificate);
  }

  /** A file's text; undefined when there is none. Refuses a key that others than its owner may read. */
  readText(file: string): string | undefined {
    const path = join(this.#folder, file);
    const mode = statSync(path, { throwIfNoEntry: false })?.mode;
    if (mode === undefined) return undefined;
    try {
      const text = readFileSync(path, 'utf8');
      if (file.endsWith('.key') && (mode & 0o077) !== 0) {
        throw new UserError(
          `Cannot use ${path} as others than its owner may use it (mode ${(mode & 0o777).toString(8)}): "chmod 600 ${path}", or remove the folder ${this.#folder} to have new keys made where somebody may have read it`,
        );
      }
      return text;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  writeText(file: string, text: string): void {
    const path = join(this.#folder, file);
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
}
