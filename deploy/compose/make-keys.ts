/**
 * Makes what the containers of `docker-compose.yml` know each other by, in three folders: that of the control plane has the cluster's keys and
 * certificates and the kubeconfigs of its processes and of the administrator, that of etcd an authority of its own with a pair for each member and
 * one for its clients, that of the nodes what workers may know. Run again it keeps what is there and issues leaves that are about to expire anew.
 *
 * Usage: `SERVER=https://127.0.0.1:6443 node deploy/compose/make-keys.ts CONTROL_PLANE ETCD NODES`
 * Other names than the containers' are given as `WORKERS=one,two MEMBERS=10.0.0.1,10.0.0.2 API_HOSTS=10.0.0.1,10.0.0.2`, another range of Services as `SERVICES=10.96.0.0/18`.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { SystemClock } from '#pkg/base/clock.ts';
import { kubeconfigOf, writeKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import { ensurePki } from '#pkg/cluster/pki.ts';
import { defaultSettings, kubernetesServiceIp } from '#pkg/cluster/settings.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';

const [controlPlane = '', etcd = '', nodes = ''] = process.argv.slice(2);
const server = process.env.SERVER ?? 'https://127.0.0.1:6443';
const workers = namesIn('WORKERS', ['worker-1', 'worker-2', 'worker-3']);
const members = namesIn('MEMBERS', ['etcd-1', 'etcd-2', 'etcd-3']);
const apiServers = namesIn('API_HOSTS', ['apiserver-1', 'apiserver-2']);
const serviceCidr = process.env.SERVICES ?? defaultSettings.serviceCidr;
const clock = new SystemClock();
const nowMs = clock.nowMs();
const leafDays = 365;
const authorityDays = 3650;

for (const folder of [controlPlane, etcd, nodes]) {
  if (folder === '') throw new Error('usage: node deploy/compose/make-keys.ts CONTROL_PLANE ETCD NODES');
  await makeFolder(folder);
}
await makeClusterKeys();
await makeEtcdKeys();

function namesIn(variable: string, fallback: readonly string[]): readonly string[] {
  return process.env[variable]?.split(',') ?? fallback;
}

async function makeClusterKeys(): Promise<void> {
  const hosts = [...apiServers, kubernetesServiceIp(serviceCidr)];
  const pki = await ensurePki({ folder: controlPlane, clock, nodeNames: workers, hosts });
  const authority = pki.authority.certificate;
  const inNodes = (identity: string): boolean => /^(?:node:|kube-proxy$|cluster-dns$)/.test(identity);
  for (const [identity, client] of pki.identities) {
    const folder = inNodes(identity) ? nodes : controlPlane;
    const file = join(folder, `${identity.replace(':', '-')}.kubeconfig`);
    await writeKubeconfig(file, kubeconfigOf({ name: 'coxswain-compose', server, authority, client }));
  }
  await copyFile(join(controlPlane, 'ca.crt'), join(nodes, 'ca.crt'));
  const subject = { commonName: 'kubelet' };
  await write(nodes, 'kubelet', leaf(pki.authority, { subject, usage: 'server', hosts: workers }));
}

async function makeEtcdKeys(): Promise<void> {
  const kept = await readPair(etcd, 'ca');
  const authority = kept ?? issueAuthority({ subject: { commonName: 'etcd-ca' }, nowMs, validDays: authorityDays });
  if (kept === undefined) await write(etcd, 'ca', authority);
  for (const member of members) {
    const hosts = [member, 'localhost', '127.0.0.1'];
    await write(etcd, member, leaf(authority, { subject: { commonName: member }, usage: 'peer', hosts }));
  }
  await write(etcd, 'client', leaf(authority, { subject: { commonName: 'kube-apiserver' }, usage: 'client' }));
}

function leaf(
  authority: CertificatePair,
  options: Pick<Parameters<typeof issueLeaf>[1], 'hosts' | 'subject' | 'usage'>,
): CertificatePair {
  return issueLeaf(authority, { ...options, nowMs, validDays: leafDays });
}

async function write(folder: string, name: string, { certificate, key }: CertificatePair): Promise<void> {
  await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
  await writeFile(join(folder, `${name}.crt`), certificate);
}

async function readPair(folder: string, name: string): Promise<CertificatePair | undefined> {
  const read = (file: string): Promise<string | undefined> =>
    readFile(join(folder, file), 'utf8').catch(() => undefined);
  const [certificate, key] = await Promise.all([read(`${name}.crt`), read(`${name}.key`)]);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}
