/**
 * The keys and certificates of one cluster, kept as files in its data folder: an authority, the API server's serving certificate, one client
 * certificate for the person and for each component, and the key that signs service-account tokens.
 *
 * Invariants: private keys are readable by their owner only. What exists is kept; a certificate is issued anew when it is missing, will
 * expire within `renewDays`, was signed by another authority, or does not name what it has to. Upstream counterpart: kubeadm's `certs` phase.
 */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { type CertificatePair, issueAuthority, issueLeaf, type Subject, subjectOf } from './certificate.ts';

/** Names of the identities that each cluster has, besides one `node:<name>` per node. */
export const identityNames = ['admin', 'controller-manager', 'scheduler', 'kube-proxy', 'kubelet-client'] as const;

export interface Pki {
  /** Certificate and key of the authority. */
  readonly authority: CertificatePair;
  /** What the API server shows to its clients. */
  readonly server: CertificatePair;
  /** Client certificates by name of identity: `identityNames`, and `node:<name>`. */
  readonly identities: ReadonlyMap<string, CertificatePair>;
  /** PEM of the key pair that signs and checks service-account tokens. */
  readonly serviceAccount: { readonly privateKey: string; readonly publicKey: string };
}

export interface PkiOptions {
  /** Where the files are; made when missing. */
  readonly folder: string;
  readonly clock: Clock;
  readonly nodeNames: readonly string[];
  /** Further names and addresses the API server is reached at. */
  readonly hosts?: readonly string[];
}

const authorityDays = 3650;
const leafDays = 365;
const renewDays = 90;
const dayMs = 86_400_000;

/** The names that the API server has everywhere, inside the cluster and on this machine. */
export const serverHosts: readonly string[] = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
  '127.0.0.1',
  '::1',
];

/** User and groups that an identity stands for. Source: upstream's component certificates, as kubeadm issues them. */
export function identitySubject(identity: string): Subject {
  if (identity.startsWith('node:')) {
    return { commonName: `system:node:${identity.slice('node:'.length)}`, organizations: ['system:nodes'] };
  }
  switch (identity) {
    case 'admin':
      return { commonName: 'kubernetes-admin', organizations: ['system:masters'] };
    case 'controller-manager':
      return { commonName: 'system:kube-controller-manager' };
    case 'scheduler':
      return { commonName: 'system:kube-scheduler' };
    case 'kube-proxy':
      return { commonName: 'system:kube-proxy', organizations: ['system:node-proxier'] };
    case 'kubelet-client':
      return { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] };
    default:
      throw new Error(`Cannot name the subject of a certificate as the identity is unknown: ${identity}`);
  }
}

/** The cluster's keys and certificates, read from `folder` or made and written there. */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const nowMs = options.clock.nowMs();
  const files = new PairFiles(options.folder);
  await mkdir(options.folder, { recursive: true, mode: 0o700 });

  let authority = await files.read('ca');
  if (authority === undefined || expiresWithin(authority, nowMs, renewDays)) {
    authority = issueAuthority({ subject: { commonName: 'coxswain-ca' }, nowMs, validDays: authorityDays });
    await files.write('ca', authority);
  }

  const issuer = authority;
  const hosts = [...new Set([...serverHosts, ...(options.hosts ?? [])])];
  const leaf = async (file: string, subject: Subject, serverNames?: readonly string[]): Promise<CertificatePair> => {
    const kept = await files.read(file);
    if (kept !== undefined && stillGood(kept, { issuer, subject, nowMs, hosts: serverNames })) return kept;
    const usage = serverNames === undefined ? 'client' : 'server';
    const made = issueLeaf(issuer, {
      subject,
      nowMs,
      validDays: leafDays,
      usage,
      ...(serverNames === undefined ? {} : { hosts: serverNames }),
    });
    await files.write(file, made);
    return made;
  };

  const names = [...identityNames, ...options.nodeNames.map((name) => `node:${name}`)];
  const [server, serviceAccount, ...clients] = await Promise.all([
    leaf('apiserver', { commonName: 'kube-apiserver' }, hosts),
    ensureServiceAccountKey(files),
    ...names.map((name) => leaf(identityFile(name), identitySubject(name))),
  ]);
  return {
    authority,
    server,
    serviceAccount,
    identities: new Map(names.map((name, index) => [name, clients[index]!])),
  };
}

/** Base name of the files of an identity. */
export function identityFile(identity: string): string {
  return identity.replace(':', '-');
}

async function ensureServiceAccountKey(files: PairFiles): Promise<Pki['serviceAccount']> {
  const privateKey = await files.readText('sa.key');
  const publicKey = await files.readText('sa.pub');
  if (privateKey !== undefined && publicKey !== undefined) return { privateKey, publicKey };
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await files.writeText('sa.key', pair.privateKey);
  await files.writeText('sa.pub', pair.publicKey);
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

/** Pairs as `<name>.crt` and `<name>.key`; whatever cannot be read as a pair counts as missing. */
class PairFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(name: string): Promise<CertificatePair | undefined> {
    const [certificate, key] = await Promise.all([this.readText(`${name}.crt`), this.readText(`${name}.key`)]);
    if (certificate === undefined || key === undefined) return undefined;
    try {
      new X509Certificate(certificate);
      return { certificate, key };
    } catch {
      return undefined;
    }
  }

  async write(name: string, pair: CertificatePair): Promise<void> {
    await this.writeText(`${name}.key`, pair.key);
    await this.writeText(`${name}.crt`, pair.certificate);
  }

  async readText(file: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, file), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async writeText(file: string, text: string): Promise<void> {
    const path = join(this.#folder, file);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}
