/** Real kubectl against a real cluster, started as a person starts it: what the README promises, with an old and a new kubectl. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubectlVersions } from './kubectl-binary.ts';
import { eventually, hookMs, RunningCluster, run } from './running-cluster.ts';

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

describe.each(kubectlVersions)('kubectl 1.%s', (version) => {
  const namespace = `guest-${version}`;
  const kubectl = (...args: string[]): Promise<string> => cluster.kubectl(version, ['-n', namespace, ...args]);
  const json = async (...args: string[]): Promise<Record<string, never>> =>
    JSON.parse(await kubectl(...args, '-o', 'json'));
  const guestbook = 'manifests/guestbook.yaml';
  let url: string;

  test('get nodes shows Ready', async () => {
    const nodes = await kubectl('get', 'nodes');
    expect(nodes.split('\n')[0]).toMatch(/^NAME +STATUS +ROLES +AGE +VERSION$/);
    expect(nodes.split('\n')[1]).toMatch(/ Ready .* v1\.36\./);
  });

  test('apply deploys the guestbook, and rollout status waits for it', async () => {
    expect(await kubectl('create', 'namespace', namespace)).toBe(`namespace/${namespace} created\n`);
    const first = await kubectl('apply', '-f', guestbook);
    expect(first).toContain('deployment.apps/guestbook created');
    expect(await kubectl('apply', '-f', guestbook)).toContain('deployment.apps/guestbook unchanged');
    expect(await kubectl('diff', '-f', guestbook)).toBe('');
    const status = await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s');
    expect(status).toContain('deployment "guestbook" successfully rolled out');
  });

  test('the NodePort answers from different replicas, and a write is read back', async () => {
    url = await cluster.nodePortUrl('guestbook', namespace);
    const replicas = new Set<string>();
    await eventually(
      async () => {
        // Rules follow the endpoints after a moment, so the first answers may be refusals.
        const answer = await fetch(`${url}/messages`, { headers: { connection: 'close' } }).catch(() => undefined);
        if (answer?.ok === true) replicas.add(answer.headers.get('x-replica') ?? '');
        return replicas.size;
      },
      (size) => size >= 2,
    );
    const message = `written through the front end, ${version}`;
    const write = await fetch(`${url}/messages`, { method: 'POST', body: message });
    expect(write.status).toBeLessThan(300);
    expect(await (await fetch(`${url}/messages`)).text()).toContain(message);
  });

  test('get all -o wide lists what apply made, with upstream columns', async () => {
    const all = await kubectl('get', 'all', '-o', 'wide');
    expect(all).toMatch(/NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES/);
    expect(all).toMatch(/NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR/);
    expect(all).toMatch(/NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR/);
    expect(all).toMatch(/deployment\.apps\/guestbook +3\/3 +3 +3 /);
  });

  test('describe shows the pod and what happened to it', async () => {
    // Events are written beside what they tell of, and may come after it.
    const described = (pattern: RegExp, ...what: readonly string[]): Promise<string> =>
      eventually(
        () => kubectl('describe', ...what),
        (text) => pattern.test(text),
      );
    const pods = await described(/Normal +Started +/, 'pods', '-l', 'tier=frontend');
    expect(pods).toMatch(/^Name: +guestbook-/m);
    await described(/Normal +Scheduled +.* Successfully assigned /, 'pods', '-l', 'tier=frontend');
    await described(/Scaled up replica set guestbook-\w+ (from 0 )?to 3/, 'deployment', 'guestbook');
    await described(/Endpoints: +127\./, 'service', 'guestbook');
    expect(await kubectl('describe', 'node')).toMatch(/Allocated resources:/);
  });

  test('logs, and logs -f that follows', async () => {
    const follow = cluster.follow(version, ['-n', namespace, 'logs', '-f', '-l', 'tier=frontend', '--prefix']);
    try {
      await fetch(`${url}/?followed`);
      await eventually(
        async () => follow.lines,
        (lines) => lines.length > 0,
      );
    } finally {
      await follow.stop();
    }
    expect((await kubectl('logs', 'deployment/guestbook')).length).toBeGreaterThan(0);
  });

  test('scale, set image, rollout undo and history', async () => {
    expect(await kubectl('scale', 'deployment/guestbook', '--replicas=4')).toBe('deployment.apps/guestbook scaled\n');
    await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s');
    const container = await kubectl(
      'get',
      'deploy',
      'guestbook',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].name}',
    );
    const image = 'jsonpath={.spec.template.spec.containers[0].image}';
    const before = await kubectl('get', 'deploy', 'guestbook', '-o', image);
    await kubectl('set', 'image', 'deployment/guestbook', `${container}=coxswain.dev/guestbook:v2`);
    await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s');
    expect(await kubectl('get', 'deploy', 'guestbook', '-o', image)).toBe('coxswain.dev/guestbook:v2');
    expect(await kubectl('rollout', 'history', 'deployment/guestbook')).toMatch(
      /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>/,
    );
    expect(await kubectl('rollout', 'undo', 'deployment/guestbook')).toBe('deployment.apps/guestbook rolled back\n');
    await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s');
    expect(await kubectl('get', 'deploy', 'guestbook', '-o', image)).toBe(before);
    expect(await kubectl('rollout', 'history', 'deployment/guestbook')).toMatch(/\n2 +<none>\n3 +<none>/);
  });

  test('label, annotate, edit and patch', async () => {
    expect(await kubectl('label', 'deploy/guestbook', 'stage=front')).toBe('deployment.apps/guestbook labeled\n');
    expect(await kubectl('annotate', 'deploy/guestbook', 'note=seen')).toBe('deployment.apps/guestbook annotated\n');
    const editor = join(cluster.dataDir, `edit-${version}.sh`);
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/stage: front/stage: edited/" "$1"\n', { mode: 0o755 });
    const edited = await cluster.kubectl(version, ['-n', namespace, 'edit', 'deploy/guestbook'], {
      env: { KUBE_EDITOR: editor },
    });
    expect(edited).toBe('deployment.apps/guestbook edited\n');
    const { metadata } = (await json('get', 'deploy', 'guestbook')) as unknown as {
      metadata: { labels: object; annotations: object };
    };
    expect(metadata.labels).toMatchObject({ stage: 'edited' });
    expect(metadata.annotations).toMatchObject({ note: 'seen' });
    expect(await kubectl('get', 'deploy', '-l', 'stage=edited', '-o', 'name')).toBe('deployment.apps/guestbook\n');
  });

  test('explain and api-resources', async () => {
    const explained = await kubectl('explain', 'pod.spec.containers.livenessProbe');
    expect(explained).toMatch(/KIND: +Pod/);
    expect(explained).toMatch(/failureThreshold\s+<integer>/);
    expect(explained).toMatch(/DESCRIPTION:\n\s+\w+/);
    const resources = await kubectl('api-resources');
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
    expect(resources).toMatch(/^nodes +no +v1 +false +Node$/m);
  });

  test('server-side apply takes ownership, and a second manager meets a conflict', async () => {
    const config = (value: string) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'owned', namespace },
        data: { key: value },
      });
    const apply = (manager: string, value: string, ...more: string[]) =>
      cluster.tryKubectl(version, ['apply', '--server-side', `--field-manager=${manager}`, '-f', '-', ...more], {
        input: config(value),
      });
    expect((await apply('one', 'a')).stdout).toBe('configmap/owned serverside-applied\n');
    const refused = await apply('two', 'b');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('conflict with "one": .data.key');
    expect((await apply('two', 'b', '--force-conflicts')).code).toBe(0);
  });

  test('wait, errors in kubectl words, and delete namespace', async () => {
    const ready = await kubectl('wait', '--for=condition=Ready', 'pod', '-l', 'tier=frontend', '--timeout=100s');
    expect(ready).toMatch(/pod\/guestbook-\S+ condition met/);
    const missing = await cluster.tryKubectl(version, ['-n', namespace, 'get', 'pod', 'nothing']);
    expect(missing.stderr).toBe('Error from server (NotFound): pods "nothing" not found\n');
    expect(missing.code).toBe(1);
    await kubectl('delete', 'namespace', namespace, '--timeout=60s');
    expect((await cluster.tryKubectl(version, ['get', 'namespace', namespace])).code).toBe(1);
  });

  test('a failing liveness probe restarts the container, and the count shows', async () => {
    await cluster.kubectl(version, ['apply', '-f', '-'], { input: liveness(`live-${version}`) });
    const restarts = 'jsonpath={.status.containerStatuses[0].restartCount}';
    await eventually(
      () => cluster.kubectl(version, ['get', 'pod', `live-${version}`, '-o', restarts]),
      (count) => Number(count) >= 1,
    );
    await eventually(
      () => cluster.kubectl(version, ['describe', 'pod', `live-${version}`]),
      (text) => /Warning +Unhealthy .*Liveness probe failed: /.test(text),
    );
    await cluster.kubectl(version, ['delete', 'pod', `live-${version}`, '--grace-period=1']);
  });

  test('a pod that cannot fit stays Pending with the reason', async () => {
    const pod = `big-${version}`;
    await cluster.kubectl(version, ['run', pod, '--image=coxswain.dev/echo:v1', `--overrides=${tooBig}`]);
    const described = await eventually(
      () => cluster.kubectl(version, ['describe', 'pod', pod]),
      (text) => text.includes('FailedScheduling'),
    );
    expect(described).toMatch(/0\/1 nodes are available: 1 Insufficient cpu\./);
    expect(await cluster.kubectl(version, ['get', 'pod', pod])).toMatch(/ 0\/1 +Pending +0 /);
    await cluster.kubectl(version, ['delete', 'pod', pod, '--now']);
  });
});

const tooBig = JSON.stringify({
  spec: { containers: [{ name: 'big', image: 'coxswain.dev/echo:v1', resources: { requests: { cpu: '10000' } } }] },
});

function liveness(name: string): string {
  const probe = { httpGet: { path: '/no-such-path-fails', port: 9 }, periodSeconds: 1, failureThreshold: 1 };
  const container = { name: 'main', image: 'coxswain.dev/echo:v1', livenessProbe: probe };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { terminationGracePeriodSeconds: 1, containers: [container] },
  });
}

test('status -o json gives the address, the kubeconfig and each process', async () => {
  const status = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
  expect(JSON.stringify(status)).toContain(String(cluster.apiPort));
  expect((await run('true', [])).code).toBe(0);
});
