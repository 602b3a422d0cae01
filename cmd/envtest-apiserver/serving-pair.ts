/** The certificate that a kube-apiserver stand-in shows: the one that is given, the one in `--cert-dir`, or one that is made there. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { machineAddress } from '#cmd/common/machine-address.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { StandInValues } from './options.ts';

const validDays = 365;

/** Paths of a certificate and its key. */
export interface PairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Where the pair is. As upstream, one that is made is followed in its file by the authority that signed it, and is kept for the next start. */
export async function servingPair(values: StandInValues, clock: Clock): Promise<PairFiles> {
  const given = { certificate: values['tls-cert-file'], key: values['tls-private-key-file'] };
  if (given.certificate !== '' || given.key !== '') return given;
  const folder = values['cert-dir'];
  const files = { certificate: join(folder, 'apiserver.crt'), key: join(folder, 'apiserver.key') };
  if (existsSync(files.certificate) && existsSync(files.key)) return files;
  const address = machineAddress(values['advertise-address'] || values['bind-address']);
  const nowMs = clock.nowMs();
  const authority = issueAuthority({ subject: { commonName: `${address}-ca@${nowMs}` }, nowMs, validDays });
  const hosts = ['localhost', '127.0.0.1', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', address];
  const subject = { commonName: `${address}@${nowMs}` };
  const leaf = issueLeaf(authority, { subject, nowMs, validDays, usage: 'server', hosts: [...new Set(hosts)] });
  await mkdir(folder, { recursive: true });
  await writeFile(files.certificate, `${leaf.certificate.trimEnd()}\n${authority.certificate}`, { mode: 0o644 });
  await writeFile(files.key, leaf.key, { mode: 0o600 });
  return files;
}
