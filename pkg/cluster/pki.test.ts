import { X509Certificate } from 'node:crypto';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { ensurePki } from './pki.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-pki-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const clock = new VirtualClock();

test('every identity is signed by the authority and names its user and groups', async () => {
  const pki = await ensurePki({ folder, clock, nodeNames: ['one'] });
  const authority = new X509Certificate(pki.authority.certificate);
  expect(authority.ca).toBe(true);
  const subjects = [...pki.identities].map(([name, pair]) => {
    const certificate = new X509Certificate(pair.certificate);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.checkIssued(authority)).toBe(true);
    return [name, certificate.subject];
  });
  expect(subjects.toSorted()).toEqual([
    ['admin', 'O=kubeadm:cluster-admins\nCN=kubernetes-admin'],
    ['cluster-dns', 'CN=system:coxswain:cluster-dns'],
    ['controller-manager', 'CN=system:kube-controller-manager'],
    ['kube-proxy', 'O=system:node-proxier\nCN=system:kube-proxy'],
    ['kubelet-client', 'O=kubeadm:cluster-admins\nCN=kube-apiserver-kubelet-client'],
    ['node:one', 'O=system:nodes\nCN=system:node:one'],
    ['scheduler', 'CN=system:kube-scheduler'],
  ]);
});

test('the serving certificate names every way to the server', async () => {
  const pki = await ensurePki({ folder, clock, nodeNames: [], hosts: ['10.96.0.1', 'box.example'] });
  const server = new X509Certificate(pki.server.certificate);
  expect(server.subjectAltName).toBe(
    'DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, ' +
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:10.96.0.1, DNS:box.example',
  );
  expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
});

test('files are for their owner only, and a second start reads what the first made', async () => {
  const first = await ensurePki({ folder, clock, nodeNames: ['one'] });
  for (const file of await readdir(folder)) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  expect(await ensurePki({ folder, clock, nodeNames: ['one'] })).toEqual(first);
});

test('a certificate is issued anew for further hosts, near its end, and when its file is missing', async () => {
  const first = await ensurePki({ folder, clock, nodeNames: [] });
  const more = await ensurePki({ folder, clock, nodeNames: [], hosts: ['192.0.2.1', 'node-1'] });
  expect(more.authority).toEqual(first.authority);
  expect(more.identities).toEqual(first.identities);
  expect(more.server).not.toEqual(first.server);

  await rm(join(folder, 'admin.crt'));
  const repaired = await ensurePki({ folder, clock, nodeNames: [] });
  expect(repaired.identities.get('admin')).not.toEqual(first.identities.get('admin'));

  const later = new VirtualClock(clock.nowMs() + 300 * 86_400_000);
  const renewed = await ensurePki({ folder, clock: later, nodeNames: [] });
  expect(renewed.authority).toEqual(first.authority);
  expect(renewed.serviceAccount).toEqual(first.serviceAccount);
  expect(renewed.identities.get('scheduler')).not.toEqual(first.identities.get('scheduler'));
});

test.each([
  ['ca.crt', 'holds no certificate'],
  ['ca.key', 'holds no private key'],
  ['admin.crt', 'holds no certificate'],
  ['sa.key', 'holds no private key'],
])('a %s that is something else is refused and stays', async (file, why) => {
  await ensurePki({ folder, clock, nodeNames: [] });
  await writeFile(join(folder, file), 'something else');
  const refusal = `Cannot use ${join(folder, file)} as it ${why}: restore it, or remove it to have a new one made`;
  await expect(ensurePki({ folder, clock, nodeNames: [] })).rejects.toThrow(refusal);
  expect(await readFile(join(folder, file), 'utf8')).toBe('something else');
});

test('a key that is not that of its certificate is refused, and the public half of a key is made from it', async () => {
  const first = await ensurePki({ folder, clock, nodeNames: [] });
  await rm(join(folder, 'sa.pub'));
  expect((await ensurePki({ folder, clock, nodeNames: [] })).serviceAccount).toEqual(first.serviceAccount);
  await copyFile(join(folder, 'admin.key'), join(folder, 'scheduler.key'));
  await expect(ensurePki({ folder, clock, nodeNames: [] })).rejects.toThrow(/scheduler\.key as it is not the key of /);
});

test.each([0o644, 0o640, 0o604])(
  'a key that others may use (mode %o) is refused, and used once it is closed (fault 63)',
  async (mode) => {
    const first = await ensurePki({ folder, clock, nodeNames: [] });
    for (const file of ['ca.key', 'sa.key', 'scheduler.key']) {
      const path = join(folder, file);
      await chmod(path, mode);
      const refusal = `Cannot use ${path} as others than its owner may use it (mode ${mode.toString(8)}): "chmod 600 ${path}", or remove`;
      await expect(ensurePki({ folder, clock, nodeNames: [] })).rejects.toThrow(refusal);
      await chmod(path, 0o600);
    }
    await chmod(join(folder, 'ca.crt'), 0o644);
    expect((await ensurePki({ folder, clock, nodeNames: [] })).authority).toEqual(first.authority);
  },
);
