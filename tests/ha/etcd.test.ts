/** A cluster that keeps its data in a real etcd: what etcd acknowledged survives both of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { findEtcd, startTestEtcd, type TestEtcd, type TestEtcdTls } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { eventually, hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';

const program = findEtcd(process.env.PATH);
if (program === undefined) console.log("skipped: there is no etcd on the PATH (Debian's package is etcd-server)");

const kubectl = '35';

describe.skipIf(program === undefined)('up --store http://127.0.0.1:PORT', () => {
  let etcd: TestEtcd;
  let cluster: RunningCluster;
  const run = (...args: string[]): Promise<string> => cluster.kubectl(kubectl, args);
  const rollout = (): Promise<string> => run('rollout', 'status', 'deployment/guestbook', '--timeout=60s');

  beforeAll(async () => {
    etcd = await startTestEtcd(program!);
    cluster = await RunningCluster.start({ flags: ['--store', etcd.endpoint] });
  }, hookMs);

  afterAll(async () => {
    await cluster?.remove();
    await etcd?.cleanup();
  }, hookMs);

  test('runs the guestbook', async () => {
    await run('apply', '-f', 'manifests/guestbook.yaml');
    expect(await rollout()).toContain('successfully rolled out');
    expect(await cluster.guestbook('kept in etcd')).toContain('kept in etcd');
  });

  test('an ordinary client of etcd reads objects and watches them, and what it does there is seen', async () => {
    const client = new Etcd3({ hosts: etcd.endpoint });
    try {
      const folder = '/registry/configmaps/default/';
      expect(await client.getAll().prefix(folder).keys()).toContain(`${folder}guestbook`);
      const watcher = await client.watch().key(`${folder}watched`).create();
      const put = new Promise<string>((resolve) => watcher.once('put', ({ value }) => resolve(value.toString())));
      await run('create', 'configmap', 'watched', '--from-literal=a=b');
      expect(JSON.parse(await put)).toMatchObject({ kind: 'ConfigMap', data: { a: 'b' } });
      await watcher.cancel();
      await client.delete().key(`${folder}watched`).exec();
      await eventually(
        async () => (await cluster.tryKubectl(kubectl, ['get', 'configmap', 'watched'])).stderr,
        (text) => text.includes('not found'),
      );
    } finally {
      client.close();
    }
  });

  test('an etcd that is killed and started again: the cluster recovers, and nothing acknowledged is lost', async () => {
    const acknowledged: string[] = [];
    let writing = true;
    const writer = async (): Promise<void> => {
      for (let n = 0; writing; n++) {
        const name = `during-${n}`;
        const made = await cluster.tryKubectl(kubectl, ['create', 'configmap', name, `--from-literal=n=${n}`]);
        if (made.code === 0) acknowledged.push(name);
      }
    };
    const running = writer();
    await eventually(
      async () => acknowledged.length,
      (count) => count >= 3,
    );
    await etcd.stop({ kill: true });
    const refused = await cluster.tryKubectl(kubectl, ['create', 'configmap', 'refused', '--request-timeout=2s']);
    expect(refused.code).toBe(1);
    await etcd.start();
    const before = acknowledged.length;
    await eventually(
      async () => acknowledged.length,
      (count) => count >= before + 3,
    );
    writing = false;
    await running;
    const names = (await run('get', 'configmaps', '-o', 'name')).split('\n');
    expect(acknowledged.filter((name) => !names.includes(`configmap/${name}`))).toEqual([]);
    // Every part works again: a change goes through controllers, scheduler, kubelet and proxy.
    await run('scale', 'deployment/guestbook', '--replicas=4');
    await rollout();
    await run('set', 'env', 'deployment/guestbook', 'AFTER=restart');
    await rollout();
    expect(await cluster.guestbook('after the restart')).toContain('after the restart');
    await eventually(
      () => cluster.coxswain(['status']),
      (status) => status.code === 0,
    );
  });

  test('down and up with the same etcd bring the cluster back, and the data folder holds no store', async () => {
    const uid = await run('get', 'deployment', 'guestbook', '-o', 'jsonpath={.metadata.uid}');
    expect((await cluster.down()).code).toBe(0);
    expect((await cluster.up()).code).toBe(0);
    expect(await run('get', 'deployment', 'guestbook', '-o', 'jsonpath={.metadata.uid}')).toBe(uid);
    await rollout();
    expect(await cluster.guestbook('after down and up')).toContain('after down and up');
  });

  test('two clusters share an etcd by parts, and what is removed of one leaves the other (fault 44)', async () => {
    const same = await RunningCluster.prepare({ flags: ['--store', etcd.endpoint] });
    const refused = await same.up();
    expect(refused.stderr).toMatch(
      / is that of another cluster: give this one a part of its own, such as --store http:/,
    );
    await same.remove();
    const flags = ['--store', `${etcd.endpoint}/second`];
    const second = await RunningCluster.start({ flags });
    await second.kubectl(kubectl, ['create', 'configmap', 'only-here']);
    const names = await run('get', 'configmaps', '-o', 'name');
    expect(names).not.toContain('only-here');
    expect((await second.coxswain(['down', '--delete-data'])).code).toBe(0);
    expect(await run('get', 'configmaps', '-o', 'name')).toBe(names);
    const third = await RunningCluster.start({ flags });
    expect(await third.kubectl(kubectl, ['get', 'configmaps', '-o', 'name'])).not.toContain('only-here');
    await third.remove();
    await second.remove();
  });

  test('up says in one line that there is no etcd where it was told', async () => {
    const lost = await RunningCluster.prepare({ flags: ['--store', 'http://127.0.0.1:1'] });
    const up = await lost.up();
    expect(up).toMatchObject({ code: 1, stdout: '' });
    expect(up.stderr).toMatch(/^coxswain: .*127\.0\.0\.1:1.*\n$/m);
    expect(lost.leftOvers()).toEqual([]);
    await lost.remove();
  });
});

describe.skipIf(program === undefined)('up --store https://127.0.0.1:PORT --etcd-cafile … (fault 44)', () => {
  let folder: string;
  let etcd: TestEtcd;
  let files: TestEtcdTls;
  const clusters: RunningCluster[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coxswain-etcd-tls-'));
    const nowMs = Date.now();
    const common = { nowMs, validDays: 1 };
    const authority = issueAuthority({ ...common, subject: { commonName: 'etcd-ca' } });
    const write = (name: string, { certificate, key }: CertificatePair) => {
      writeFileSync(join(folder, `${name}.crt`), certificate);
      writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 });
    };
    write('ca', authority);
    write(
      'server',
      issueLeaf(authority, { ...common, subject: { commonName: 'etcd' }, usage: 'server', hosts: ['127.0.0.1'] }),
    );
    write('client', issueLeaf(authority, { ...common, subject: { commonName: 'coxswain' }, usage: 'client' }));
    const file = (name: string): string => join(folder, name);
    files = {
      caFile: file('ca.crt'),
      certFile: file('server.crt'),
      keyFile: file('server.key'),
      clientCertFile: file('client.crt'),
      clientKeyFile: file('client.key'),
    };
    etcd = await startTestEtcd(program!, files);
  }, hookMs);

  afterAll(async () => {
    for (const cluster of clusters) await cluster.remove();
    await etcd?.cleanup();
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  const tlsFlags = () => [
    `--etcd-cafile=${files.caFile}`,
    `--etcd-certfile=${files.clientCertFile}`,
    `--etcd-keyfile=${files.clientKeyFile}`,
  ];

  test.each<[string, readonly string[]]>([
    ['in one process', []],
    ['with a process for each component', ['--processes']],
  ])('a cluster %s keeps its data there, over down and up, and is removed from it', async (_, flags) => {
    const place = `${etcd.endpoint}/part-${clusters.length}`;
    const cluster = await RunningCluster.start({ flags: ['--store', place, ...tlsFlags(), ...flags] });
    clusters.push(cluster);
    await cluster.kubectl(kubectl, ['create', 'configmap', 'kept']);
    expect((await cluster.down()).code).toBe(0);
    // Without the flags: the folder knows the files.
    expect(
      (await cluster.coxswain(['up', '--detach', '--wait=60s', '--kubeconfig', cluster.kubeconfig, ...flags])).code,
    ).toBe(0);
    expect(await cluster.kubectl(kubectl, ['get', 'configmap', 'kept', '-o', 'name'])).toContain('configmap/kept');
    const removed = await cluster.coxswain(['down', '--delete-data']);
    expect([removed.code, removed.stderr]).toEqual([0, '']);
  });

  test.each<[string, (all: TestEtcdTls) => readonly string[], RegExp]>([
    ['without a certificate', ({ caFile }) => [`--etcd-cafile=${caFile}`], /Cannot reach etcd at https:/],
    ['without the authority', () => [], /Cannot reach etcd at https:/],
    [
      'with a certificate and no key',
      ({ clientCertFile }) => [`--etcd-certfile=${clientCertFile}`],
      /a certificate and its key are given together/,
    ],
    [
      'with a file that is not there',
      () => ['--etcd-cafile=/no/such/file'],
      /Cannot read the file \/no\/such\/file of --etcd-cafile/,
    ],
  ])('%s there is one clear line', async (_, flagsOf, message) => {
    const cluster = await RunningCluster.prepare({ flags: ['--store', etcd.endpoint, ...flagsOf(files)] });
    const up = await cluster.up();
    expect([up.code, up.stdout]).toEqual([1, '']);
    expect(up.stderr).toMatch(message);
    expect(up.stderr.trim().split('\n').length).toBe(1);
    await cluster.remove();
  });

  test('files for TLS without TLS are refused', async () => {
    const cluster = await RunningCluster.prepare({ flags: ['--store', 'http://127.0.0.1:2379', ...tlsFlags()] });
    expect((await cluster.up()).stderr).toContain('files for TLS are for an etcd whose addresses begin with https://');
    await cluster.remove();
  });
});
