/** The names of Services and pods, and what containers are told of names. */
import { expect } from 'vitest';
import type { ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import { netexec, onRealCluster, patienceMs, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster();
const timeout = patienceMs;
const inDefault = { namespace: 'default' };
const pause = { name: 'querier', image: 'coxswain.dev/pause:v1' };

/** A pod that commands can be run in; resolves with its name. */
async function querier(stage: RealStage, spec: object = {}): Promise<string> {
  const name = stage.name('querier');
  await stage.create({ containers: [pause], ...spec } as never, { name });
  await stage.until(name, ({ status }) => status?.phase === 'Running');
  return name;
}

const serve = (stage: RealStage, name: string, spec: ServiceSpec) =>
  stage.of(services).create({ apiVersion: 'v1', kind: 'Service', metadata: { name, ...inDefault }, spec });

/** What a command prints, without the last line's end; a failure is what it says. */
const says = async (stage: RealStage, pod: string, command: string): Promise<string> =>
  (await stage.exec(pod, ['/bin/sh', '-c', `${command} || true`])).trim();

const eventually = (stage: RealStage, pod: string, command: string) =>
  expect.poll(() => says(stage, pod, command), { timeout });

behaviour('[sig-network] DNS should provide DNS for the cluster', async (stage) => {
  const pod = await querier(stage);
  const { spec } = await stage.of(services).get('kubernetes', inDefault);
  await eventually(stage, pod, 'dig +notcp +noall +answer +search kubernetes.default.svc.cluster.local A').toBe(
    `kubernetes.default.svc.cluster.local.\t30\tIN\tA\t${spec?.clusterIP}`,
  );
});

behaviour('[sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly]', async (stage) => {
  const pod = await querier(stage);
  const { spec } = await stage.of(services).get('kubernetes', inDefault);
  for (const name of ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'])
    await eventually(stage, pod, `dig +search +short ${name}`).toBe(spec?.clusterIP);
  await eventually(stage, pod, 'dig +short kubernetes').toBe('');
  await eventually(stage, pod, 'getent hosts kubernetes').toContain(String(spec?.clusterIP));
});

behaviour('[sig-network] DNS should provide /etc/hosts entries for the cluster', async (stage) => {
  const pod = await querier(stage, { hostname: 'dns-querier', subdomain: 'dns-test-service' });
  const { status } = await stage.until(pod, (one) => one.status?.podIP !== undefined);
  const whole = 'dns-querier.dns-test-service.default.svc.cluster.local';
  for (const name of [whole, 'dns-querier'])
    await eventually(stage, pod, `getent hosts ${name}`).toBe(`${status?.podIP?.padEnd(15)} ${name}`);
});

behaviour('[sig-network] DNS should provide DNS for services', async (stage) => {
  const pod = await querier(stage);
  const [headless, regular] = [stage.name('headless'), stage.name('regular')];
  const labels = { 'dns-test': 'true', of: headless };
  const ports = [{ name: 'http', port: 80, targetPort: 8090 }];
  await serve(stage, headless, { clusterIP: 'None', selector: labels, ports });
  const { spec } = await serve(stage, regular, { selector: labels, ports });
  const backend = { name: 'web', image: netexec, args: ['8090'] };
  const created = await stage.create({ containers: [backend] }, { labels });
  const { status } = await stage.until(created.metadata?.name ?? '', (one) => one.status?.podIP !== undefined);
  const ip = status?.podIP ?? '';
  const [own, dashed] = [`${headless}.default.svc.cluster.local`, ip.replaceAll('.', '-')];
  await eventually(stage, pod, `dig +short ${own} A`).toBe(ip);
  await eventually(stage, pod, `dig +short ${regular}.default.svc.cluster.local A`).toBe(spec?.clusterIP);
  await eventually(stage, pod, `dig +short _http._tcp.${own} SRV`).toBe(`0 100 8090 ${dashed}.${own}.`);
  await eventually(stage, pod, `dig +short _http._tcp.${regular}.default.svc.cluster.local SRV`).toBe(
    `0 100 80 ${regular}.default.svc.cluster.local.`,
  );
  await eventually(stage, pod, `dig +short -x ${spec?.clusterIP}`).toBe(`${regular}.default.svc.cluster.local.`);
  await eventually(stage, pod, `dig +short -x ${ip}`).toBe(`${dashed}.${own}.`);
});

for (const what of ['Hostname', 'Subdomain'] as const) {
  behaviour(`[sig-network] DNS should provide DNS for pods for ${what}`, async (stage) => {
    const headless = stage.name('dns-test-service');
    const labels = { of: headless };
    await serve(stage, headless, { clusterIP: 'None', selector: labels, ports: [{ name: 'http', port: 80 }] });
    const spec = { containers: [pause], hostname: 'dns-querier-2', subdomain: headless };
    const created = await stage.create(spec, { labels });
    const name = created.metadata?.name ?? '';
    const { status } = await stage.until(name, (one) => one.status?.podIP !== undefined);
    const whole = `${what === 'Hostname' ? 'dns-querier-2.' : ''}${headless}.default.svc.cluster.local`;
    await eventually(stage, name, `dig +short ${whole} A`).toBe(status?.podIP);
  });
}

behaviour('[sig-network] DNS should provide DNS for ExternalName services', async (stage) => {
  const pod = await querier(stage);
  const name = stage.name('external');
  await serve(stage, name, { type: 'ExternalName', externalName: 'foo.example.com' });
  const whole = `${name}.default.svc.cluster.local`;
  await eventually(stage, pod, `dig +short ${whole} CNAME`).toBe('foo.example.com.');
  const change = async (spec: ServiceSpec): Promise<void> => {
    const current = await stage.of(services).get(name, inDefault);
    await stage.of(services).update({ ...current, spec });
  };
  await change({ type: 'ExternalName', externalName: 'bar.example.com' });
  await eventually(stage, pod, `dig +short ${whole} CNAME`).toBe('bar.example.com.');
  await change({ type: 'ClusterIP', ports: [{ name: 'http', port: 80 }] });
  const { spec } = await stage.of(services).get(name, inDefault);
  await eventually(stage, pod, `dig +short ${whole} A`).toBe(spec?.clusterIP);
});

behaviour('[sig-network] DNS should support configurable pod DNS nameservers', async (stage) => {
  const dnsConfig = {
    nameservers: ['1.1.1.1'],
    searches: ['resolv.conf.local'],
    options: [{ name: 'ndots', value: '2' }],
  };
  const pod = await querier(stage, { dnsPolicy: 'None', dnsConfig });
  expect(await says(stage, pod, 'cat /etc/resolv.conf')).toBe(
    'search resolv.conf.local\nnameserver 1.1.1.1\noptions ndots:2',
  );
  const usual = await querier(stage);
  const { spec } = await stage.of(services).get('kube-dns', { namespace: 'kube-system' });
  expect(await says(stage, usual, 'cat /etc/resolv.conf')).toContain(`nameserver ${spec?.clusterIP}`);
});

behaviour(
  '[sig-node] Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts [NodeConformance]',
  async (stage) => {
    const hostAliases = [{ ip: '123.45.67.89', hostnames: ['foo', 'bar'] }];
    const pod = await querier(stage, { hostAliases });
    const text = await says(stage, pod, 'cat /etc/hosts');
    expect(text).toMatch(/^# Kubernetes-managed hosts file\.\n/);
    expect(text).toMatch(/\n# Entries added by HostAliases\.\n123\.45\.67\.89\tfoo\tbar$/);
  },
);

behaviour(
  '[sig-node] KubeletManagedEtcHosts should test kubelet managed /etc/hosts file [NodeConformance]',
  async (stage) => {
    const own = {
      name: 'mounted',
      image: 'coxswain.dev/pause:v1',
      volumeMounts: [{ name: 'host-etc-hosts', mountPath: '/etc/hosts' }],
    };
    const volumes = [{ name: 'host-etc-hosts', hostPath: { path: '/etc/hosts', type: 'File' } }];
    const read = async (pod: string): Promise<string> => says(stage, pod, 'cat /etc/hosts');
    expect(await read(await querier(stage))).toMatch(/^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
    expect(await read(await querier(stage, { containers: [own], volumes }))).not.toMatch(/Kubernetes-managed/);
    expect(await read(await querier(stage, { hostNetwork: true }))).toMatch(
      /^# Kubernetes-managed hosts file \(host network\)\.\n/,
    );
  },
);
