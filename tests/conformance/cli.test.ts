/** Real kubectl against a cluster that was started as a person starts it. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { binary } from '#tests/e2e/kubectl-binary.ts';
import { eventually, RunningCluster } from '#tests/e2e/running-cluster.ts';

const version = '35';
let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, 120_000);

afterAll(() => cluster?.remove());

const kubectl = (args: readonly string[], input?: object): Promise<string> =>
  cluster.kubectl(version, args, input === undefined ? {} : { input: JSON.stringify(input) });

const behaviour = (name: string, body: () => Promise<void>): void => {
  test(`[sig-cli] ${name} [Conformance]`, body);
};

const image = 'coxswain.dev/echo:v1';
const podOf = (name: string, image: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { run: name } },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name, image }] },
});
const rcOf = (name: string, replicas: number) => ({
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: { name, labels: { app: name } },
  spec: {
    replicas,
    selector: { app: name },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', image, ports: [{ name: 'server', containerPort: 8080 }] }],
      },
    },
  },
});

const running = (selector: string, count: number) =>
  eventually(
    async () =>
      (await kubectl(['get', 'pods', '-l', selector, '-o', 'jsonpath={range .items[*]}{.status.phase} {end}'])).trim(),
    (phases) => phases === Array.from({ length: count }, () => 'Running').join(' '),
  );

const value = (kind: string, name: string, path: string): Promise<string> =>
  kubectl(['get', kind, name, '-o', `jsonpath={${path}}`]);

behaviour('Kubectl client Guestbook application should create and stop a working application', async () => {
  await kubectl(['create', 'namespace', 'guests']);
  await kubectl(['-n', 'guests', 'apply', '-f', 'manifests/guestbook.yaml']);
  await kubectl(['-n', 'guests', 'rollout', 'status', 'deployment/guestbook', '--timeout=60s']);
  const url = `${await cluster.nodePortUrl('guestbook', 'guests')}/messages`;
  const entry = 'TestEntry of the guestbook';
  await eventually(
    () =>
      fetch(url, { method: 'POST', body: entry }).then(
        ({ ok }) => ok,
        () => false,
      ),
    (ok) => ok,
  );
  await eventually(
    () =>
      fetch(url).then(
        (answer) => answer.text(),
        () => '',
      ),
    (text) => text.includes(entry),
  );
  await kubectl(['-n', 'guests', 'delete', '-f', 'manifests/guestbook.yaml', '--wait=true']);
  const left = (): Promise<string> => kubectl(['-n', 'guests', 'get', 'deployments,services,pods', '-o', 'name']);
  await eventually(left, (names) => names === '');
});

behaviour('Kubectl client Kubectl api-versions should check if v1 is in available api versions', async () => {
  expect((await kubectl(['api-versions'])).split('\n')).toContain('v1');
});

behaviour(
  'Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info',
  async () => {
    expect(await kubectl(['cluster-info'])).toMatch(/Kubernetes control plane is running at https:\/\/127\./);
  },
);

behaviour(
  'Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods',
  async () => {
    await kubectl(['create', '-f', '-'], rcOf('primary', 1));
    await kubectl(['expose', 'rc', 'primary', '--port=6379', '--target-port=server']);
    await running('app=primary', 1);
    const has = (text: string, fields: readonly RegExp[]): void => {
      for (const field of fields) expect(text).toMatch(field);
    };
    const [pod = ''] = (await kubectl(['get', 'pods', '-l', 'app=primary', '-o', 'name'])).trim().split('\n');
    has(await kubectl(['describe', pod]), [
      /^Name: +primary-/m,
      /^Namespace: +default/m,
      /^Node: /m,
      /^Labels: +app=primary/m,
      /^Status: +Running/m,
      /^IP: +127\./m,
      /^Controlled By: +ReplicationController\/primary/m,
      /Image: +coxswain\.dev\/echo:v1/,
      /State: +Running/,
      /QoS Class: +BestEffort/,
    ]);
    has(await kubectl(['describe', 'rc', 'primary']), [
      /^Name: +primary$/m,
      /^Selector: +app=primary$/m,
      /^Replicas: +1 current \/ 1 desired$/m,
      /Pods Status: +1 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed/,
      /Image: +coxswain/,
      /Events:/,
    ]);
    // Endpoints follow the pod after a moment.
    const service = await eventually(
      () => kubectl(['describe', 'service', 'primary']),
      (text) => /^Endpoints: +127\./m.test(text),
    );
    has(service, [
      /^Name: +primary$/m,
      /^Labels: +app=primary$/m,
      /^Type: +ClusterIP$/m,
      /^IP: +127\./m,
      /^Port: +<unset> +6379\/TCP$/m,
      /^TargetPort: +server\/TCP$/m,
      /^Endpoints: +127\..*:8080$/m,
      /^Session Affinity: +None$/m,
    ]);
    const [node = ''] = (await kubectl(['get', 'nodes', '-o', 'name'])).trim().split('\n');
    has(await kubectl(['describe', node]), [
      /^Name: /m,
      /^Labels: /m,
      /^Annotations: /m,
      /^CreationTimestamp: /m,
      /^Conditions:/m,
      /Addresses:/,
      /Capacity:/,
      /Kubelet Version: +v1\.36/,
      /Pods?: /,
    ]);
    has(await kubectl(['describe', 'namespace', 'default']), [
      /^Name: +default$/m,
      /^Labels: /m,
      /^Status: +Active$/m,
      /No resource quota/,
      /No LimitRange resource/,
    ]);
  },
);

behaviour('Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments', async () => {
  const { metadata, spec } = rcOf('httpd', 1);
  const deployment = (image: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      ...spec,
      selector: { matchLabels: spec.selector },
      template: { ...spec.template, spec: { containers: [{ name: 'main', image }] } },
    },
  });
  await kubectl(['create', '-f', '-'], deployment(image));
  const diff = await cluster.tryKubectl(version, ['diff', '-f', '-'], {
    input: JSON.stringify(deployment('coxswain.dev/pause:v1')),
  });
  expect([
    diff.code,
    /^-.*image: coxswain\.dev\/echo:v1$/m.test(diff.stdout),
    /^\+.*image: coxswain\.dev\/pause:v1$/m.test(diff.stdout),
  ]).toEqual([1, true, true]);
  await kubectl(['delete', 'deployment', 'httpd']);
});

behaviour('Kubectl client Kubectl expose should create services for rc', async () => {
  await kubectl(['create', '-f', '-'], rcOf('exposed', 1));
  await running('app=exposed', 1);
  await kubectl(['expose', 'rc', 'exposed', '--name=rm2', '--port=1234', '--target-port=8080']);
  await kubectl(['expose', 'service', 'rm2', '--name=rm3', '--port=2345', '--target-port=8080']);
  for (const [name, port] of [
    ['rm2', 1234],
    ['rm3', 2345],
  ] as const) {
    expect(await value('service', name, '.spec.ports[0].port')).toBe(String(port));
    const ip = await value('service', name, '.spec.clusterIP');
    await eventually(
      () => value('endpoints', name, '.subsets[0].ports[0].port'),
      (found) => found === '8080',
    );
    await eventually(
      () =>
        fetch(`http://${ip}:${port}/`).then(
          ({ ok }) => ok,
          () => false,
        ),
      (ok) => ok,
    );
  }
});

behaviour('Kubectl client Kubectl label should update the label on a resource', async () => {
  await kubectl(['create', '-f', '-'], podOf('labelled', 'coxswain.dev/pause:v1'));
  await running('run=labelled', 1);
  await kubectl(['label', 'pods', 'labelled', 'testing-label=testing-label-value']);
  expect(await kubectl(['get', 'pod', 'labelled', '-L', 'testing-label'])).toContain('testing-label-value');
  await kubectl(['label', 'pods', 'labelled', 'testing-label-']);
  expect(await kubectl(['get', 'pod', 'labelled', '-L', 'testing-label'])).not.toContain('testing-label-value');
});

behaviour('Kubectl client Kubectl patch should add annotations for pods in rc', async () => {
  await kubectl(['create', '-f', '-'], rcOf('patched', 1));
  await running('app=patched', 1);
  const names = (await kubectl(['get', 'pods', '-l', 'app=patched', '-o', 'name'])).trim().split('\n');
  for (const name of names) {
    await kubectl(['patch', name, '-p', '{"metadata":{"annotations":{"x":"y"}}}']);
    expect(await kubectl(['get', name, '-o', 'jsonpath={.metadata.annotations.x}'])).toBe('y');
  }
});

behaviour("Kubectl client Kubectl replace should update a single-container pod's image", async () => {
  await kubectl(['run', 'replaced', `--image=${image}`, '--labels=run=replaced']);
  await running('run=replaced', 1);
  // Its status may change in between: then it is read again.
  await eventually(
    async () => {
      const pod = JSON.parse(await kubectl(['get', 'pod', 'replaced', '-o', 'json']));
      pod.spec.containers[0].image = 'coxswain.dev/echo:v2';
      return cluster.tryKubectl(version, ['replace', '-f', '-'], { input: JSON.stringify(pod) });
    },
    ({ code }) => code === 0,
  );
  expect(await value('pod', 'replaced', '.spec.containers[0].image')).toBe('coxswain.dev/echo:v2');
});

behaviour('Kubectl client Kubectl run pod should create a pod from an image when restart is Never', async () => {
  await kubectl(['run', 'once', '--restart=Never', '--image=coxswain.dev/pause:v1']);
  expect(await value('pod', 'once', '.spec.containers[0].image')).toBe('coxswain.dev/pause:v1');
  expect(await value('pod', 'once', '.spec.restartPolicy')).toBe('Never');
});

behaviour('Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods', async () => {
  await kubectl(['run', 'dry', `--image=${image}`, '--labels=run=dry']);
  await running('run=dry', 1);
  const patch = '{"spec":{"containers":[{"name":"dry","image":"coxswain.dev/echo:v3"}]}}';
  await kubectl(['patch', 'pod', 'dry', '-p', patch, '--dry-run=server']);
  expect(await value('pod', 'dry', '.spec.containers[0].image')).toBe(image);
});

behaviour('Kubectl client Kubectl version should check is all data is printed', async () => {
  const printed = JSON.parse(await kubectl(['version', '-o', 'json']));
  const fields = [
    'major',
    'minor',
    'gitVersion',
    'gitCommit',
    'gitTreeState',
    'buildDate',
    'goVersion',
    'compiler',
    'platform',
  ];
  for (const side of ['clientVersion', 'serverVersion'])
    expect(Object.keys(printed[side])).toEqual(expect.arrayContaining(fields));
  expect(await kubectl(['version'])).toMatch(/Client Version: v1\.35[\s\S]*Server Version: v1\.36/);
});

/** Starts `kubectl proxy`, hands over what it said of where it listens, and ends it. */
async function withProxy(args: readonly string[], body: (said: string) => Promise<void>): Promise<void> {
  const child = spawn(binary(version, 'kubectl'), ['proxy', ...args], { env: { ...process.env, ...cluster.env() } });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  try {
    await eventually(
      async () => said,
      (text) => text.includes('Starting to serve on '),
    );
    await body(said);
  } finally {
    child.kill();
    await ended;
  }
}

behaviour('Kubectl client Proxy server should support proxy with --port 0', () =>
  withProxy(['--port=0', '--disable-filter=true'], async (said) => {
    const [, address] = /Starting to serve on (\S+)/.exec(said)!;
    const answer = (await (await fetch(`http://${address}/api/`)).json()) as { versions: readonly string[] };
    expect(answer.versions).toContain('v1');
  }),
);

behaviour('Kubectl client Proxy server should support --unix-socket=/path', () => {
  const socketPath = join(cluster.dataDir, 'proxy.sock');
  return withProxy([`--unix-socket=${socketPath}`], async () => {
    const body = await new Promise<string>((resolve, reject) => {
      const sent = request({ socketPath, path: '/api/' }, async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        resolve(text);
      });
      sent.on('error', reject);
      sent.end();
    });
    expect(JSON.parse(body).versions).toContain('v1');
  });
});

behaviour('Kubectl client Update Demo should create and stop a replication controller', async () => {
  await kubectl(['create', '-f', '-'], rcOf('demo', 2));
  await running('app=demo', 2);
  await kubectl(['delete', 'rc', 'demo', '--wait=true']);
  await eventually(
    () => kubectl(['get', 'pods', '-l', 'app=demo', '-o', 'name']),
    (names) => names === '',
  );
});

behaviour('Kubectl client Update Demo should scale a replication controller', async () => {
  await kubectl(['create', '-f', '-'], rcOf('scaled', 2));
  for (const replicas of [2, 1, 2]) {
    await kubectl(['scale', 'rc', 'scaled', `--replicas=${replicas}`, '--timeout=1m']);
    await running('app=scaled', replicas);
  }
});

behaviour('Kubectl logs logs should be able to retrieve and filter logs', async () => {
  const command = ['sh', '-c', 'echo one; echo two; sleep 2; echo three; sleep 600'];
  const pod = podOf('logger', 'coxswain.dev/job:v1');
  await kubectl(['create', '-f', '-'], {
    ...pod,
    spec: { ...pod.spec, containers: [{ ...pod.spec.containers[0]!, command }] },
  });
  await eventually(
    () => kubectl(['logs', 'logger']).catch(() => ''),
    (text) => text === 'one\ntwo\nthree\n',
  );
  expect(await kubectl(['logs', 'logger', '--tail=1'])).toBe('three\n');
  expect(await kubectl(['logs', 'logger', '--limit-bytes=1'])).toBe('o');
  const stamped = await kubectl(['logs', 'logger', '--tail=1', '--timestamps']);
  expect(stamped).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z three\n$/);
  expect((await kubectl(['logs', 'logger', '--since=24h'])).split('\n').length).toBe(4);
  await eventually(
    () => kubectl(['logs', 'logger', '--since=1s']),
    (text) => text === '',
    10_000,
  );
});
