/** What a container is given: command and arguments, environment, hooks; and what is read of it: logs, termination messages. */
import { expect } from 'vitest';
import type { Container, EnvVar, Probe } from '#pkg/api/types/core-v1.ts';
import { configMaps, pods, secrets, services } from '#pkg/api/types/refs.ts';
import { configMap, secret } from './objects.ts';
import { mounttest, onRealCluster, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster();
const inDefault = { namespace: 'default' };
const printed = (env: readonly EnvVar[]): Partial<Container> => ({ command: ['env'], env });
const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });

const containers = '[sig-node] Containers';

behaviour(
  `${containers} should use the image defaults if command and args are blank [NodeConformance]`,
  async (stage) => {
    expect(await stage.output({ env: [{ name: 'SECONDS', value: '0' }] })).toBe('working for 0 s\ndone, exit code 0\n');
  },
);

behaviour(
  `${containers} should be able to override the image's default arguments (container cmd) [NodeConformance]`,
  async (stage) => {
    expect(await stage.output({ args: ['0.01', '0'] })).toBe('working for 0.01 s\ndone, exit code 0\n');
  },
);

behaviour(
  `${containers} should be able to override the image's default command (container entrypoint) [NodeConformance]`,
  async (stage) => {
    expect(await stage.output({ command: ['hostname'] }, { hostname: 'entrypoint' })).toBe('entrypoint\n');
  },
);

behaviour(
  `${containers} should be able to override the image's default command and arguments [NodeConformance]`,
  async (stage) => {
    expect(await stage.output({ command: ['echo'], args: ['override', 'arguments'] })).toBe('override arguments\n');
  },
);

const expansion = '[sig-node] Variable Expansion';

behaviour(`${expansion} should allow composing env vars into new env vars [NodeConformance]`, async (stage) => {
  const env = [
    { name: 'FOO', value: 'foo-value' },
    { name: 'BAR', value: 'bar-value' },
    { name: 'FOOBAR', value: '$(FOO);;$(BAR)' },
  ];
  const text = await stage.output(printed(env));
  for (const line of ['FOO=foo-value', 'BAR=bar-value', 'FOOBAR=foo-value;;bar-value'])
    expect(text).toContain(`${line}\n`);
});

behaviour(`${expansion} should allow substituting values in a container's command [NodeConformance]`, async (stage) => {
  const env = [{ name: 'TEST_VAR', value: 'test-value' }];
  const command = ['sh', '-c', 'TEST_VAR=wrong echo "$(TEST_VAR)"'];
  expect(await stage.output({ command: ['echo', '$(TEST_VAR)', '$$(TEST_VAR)', command[1]!], env })).toBe(
    'test-value $(TEST_VAR) -c\n',
  );
});

behaviour(`${expansion} should allow substituting values in a container's args [NodeConformance]`, async (stage) => {
  const env = [{ name: 'TEST_VAR', value: 'test-value' }];
  expect(await stage.output({ command: ['echo'], args: ['$(TEST_VAR)', '$(NONE)'], env })).toBe('test-value $(NONE)\n');
});

async function settings(stage: RealStage): Promise<string> {
  const name = stage.name('settings');
  await stage.of(configMaps).create(configMap(name, { 'data-1': 'value-1', 'data-2': 'value-2' }, inDefault));
  await stage.of(secrets).create(secret(name, { 'data-1': 'value-1', 'data-2': 'value-2' }, inDefault));
  return name;
}

behaviour('[sig-node] ConfigMap should be consumable via environment variable [NodeConformance]', async (stage) => {
  const name = await settings(stage);
  const env = [{ name: 'CONFIG_DATA_1', valueFrom: { configMapKeyRef: { name, key: 'data-1' } } }];
  expect(await stage.output(printed(env))).toContain('CONFIG_DATA_1=value-1\n');
});

behaviour('[sig-node] Secrets should be consumable from pods in env vars [NodeConformance]', async (stage) => {
  const name = await settings(stage);
  const env = [{ name: 'SECRET_DATA', valueFrom: { secretKeyRef: { name, key: 'data-1' } } }];
  expect(await stage.output(printed(env))).toContain('SECRET_DATA=value-1\n');
});

for (const [title, kind] of [
  ['[sig-node] ConfigMap should be consumable via the environment [NodeConformance]', 'configMapRef'],
  ['[sig-node] Secrets should be consumable via the environment [NodeConformance]', 'secretRef'],
] as const) {
  behaviour(title, async (stage) => {
    const name = await settings(stage);
    const envFrom = [{ [kind]: { name } }, { prefix: 'p-', [kind]: { name } }];
    const text = await stage.output({ command: ['env'], envFrom });
    for (const line of ['data-1=value-1', 'data-2=value-2', 'p-data-1=value-1', 'p-data-2=value-2']) {
      expect(text).toContain(`${line}\n`);
    }
  });
}

const prefixes = ['1-', '$_-', 'p-', '#', '\\u', 'a&b'];
for (const [title, kind] of [
  ['[sig-node] ConfigMap should be consumable as environment variable names with various prefixes', 'configMapRef'],
  [
    '[sig-node] Secrets should be consumable as environment variable names variable names with various prefixes',
    'secretRef',
  ],
] as const) {
  behaviour(title, async (stage) => {
    const name = await settings(stage);
    const envFrom = prefixes.map((prefix) => ({ prefix, [kind]: { name } }));
    const text = await stage.output({ command: ['env'], envFrom });
    for (const prefix of prefixes) expect(text).toContain(`${prefix}data-1=value-1\n`);
  });
}

const downward = '[sig-node] Downward API';

behaviour(
  `${downward} should provide pod name, namespace and IP address as env vars [NodeConformance]`,
  async (stage) => {
    const env = [
      field('POD_NAME', 'metadata.name'),
      field('POD_NAMESPACE', 'metadata.namespace'),
      field('POD_IP', 'status.podIP'),
    ];
    const text = await stage.output(printed(env), {}, { name: 'downward-env' });
    const { status } = await stage.of(pods).get('downward-env', inDefault);
    expect(text).toContain('POD_NAME=downward-env\n');
    expect(text).toContain('POD_NAMESPACE=default\n');
    expect(text).toContain(`POD_IP=${status?.podIP}\n`);
  },
);

behaviour(`${downward} should provide pod UID as env vars [NodeConformance]`, async (stage) => {
  const text = await stage.output(printed([field('POD_UID', 'metadata.uid')]), {}, { name: 'downward-uid' });
  expect(text).toContain(`POD_UID=${(await stage.of(pods).get('downward-uid', inDefault)).metadata?.uid}\n`);
});

behaviour(`${downward} should provide host IP as an env var [NodeConformance]`, async (stage) => {
  expect(await stage.output(printed([field('HOST_IP', 'status.hostIP')]))).toMatch(/^HOST_IP=\d+\.\d+\.\d+\.\d+$/m);
});

behaviour(`${downward} should provide hostIPs as an env var [NodeConformance]`, async (stage) => {
  expect(await stage.output(printed([field('HOST_IPS', 'status.hostIPs')]))).toMatch(/^HOST_IPS=\d+\.\d+\.\d+\.\d+$/m);
});

const amounts = ['limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'].map((resource) => ({
  name: resource.toUpperCase().replace('.', '_'),
  valueFrom: { resourceFieldRef: { resource } },
}));

behaviour(
  `${downward} should provide container's limits.cpu/memory and requests.cpu/memory as env vars [NodeConformance]`,
  async (stage) => {
    const resources = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
    const text = await stage.output({ ...printed(amounts), resources });
    for (const line of ['LIMITS_CPU=2', 'LIMITS_MEMORY=67108864', 'REQUESTS_CPU=1', 'REQUESTS_MEMORY=33554432']) {
      expect(text).toContain(`${line}\n`);
    }
  },
);

behaviour(
  `${downward} should provide default limits.cpu/memory from node allocatable [NodeConformance]`,
  async (stage) => {
    const text = await stage.output(printed(amounts.slice(0, 2)));
    expect(text).toMatch(/^LIMITS_CPU=[1-9]\d*$/m);
    expect(text).toMatch(/^LIMITS_MEMORY=[1-9]\d*$/m);
  },
);

behaviour('[sig-node] Pods should contain environment variables for services [NodeConformance]', async (stage) => {
  const ports = [{ port: 8765, targetPort: 8080 }];
  const metadata = { name: 'fooservice', ...inDefault };
  const service = await stage
    .of(services)
    .create({ apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { name: 'foo' }, ports } });
  const ip = service.spec!.clusterIP;
  const lines = [
    `FOOSERVICE_SERVICE_HOST=${ip}`,
    'FOOSERVICE_SERVICE_PORT=8765',
    `FOOSERVICE_PORT=tcp://${ip}:8765`,
    'FOOSERVICE_PORT_8765_TCP_PORT=8765',
    'FOOSERVICE_PORT_8765_TCP_PROTO=tcp',
    `FOOSERVICE_PORT_8765_TCP=tcp://${ip}:8765`,
    `FOOSERVICE_PORT_8765_TCP_ADDR=${ip}`,
  ];
  let text = '';
  const missing = async (): Promise<readonly string[]> => {
    text = await stage.output({ command: ['env'] });
    return lines.filter((line) => !text.includes(`${line}\n`));
  };
  await expect.poll(missing).toEqual([]);
});

behaviour(
  '[sig-node] Kubelet when scheduling a busybox command in a pod should print the output to logs [NodeConformance]',
  async (stage) => {
    expect(await stage.output({ command: ['sh', '-c', "echo 'Hello World' ; sleep 0"] })).toBe('Hello World\n');
  },
);

const blackbox = '[sig-node] Container Runtime blackbox test on terminated container should report termination message';

async function message(stage: RealStage, fields: Partial<Container>, phase: 'Failed' | 'Succeeded'): Promise<string> {
  const main = { name: 'main', image: 'coxswain.dev/job:v1', ...fields };
  const { metadata } = await stage.create({ restartPolicy: 'Never', containers: [main] });
  const ended = await stage.until(metadata!.name!, ({ status }) => status?.phase === phase);
  return ended.status?.containerStatuses?.[0]?.state?.terminated?.message ?? '';
}

const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' as const };

behaviour(
  `${blackbox} as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]`,
  async (stage) => {
    expect(await message(stage, { command: ['echo', 'DONE'], ...fallback }, 'Succeeded')).toBe('');
  },
);

behaviour(
  `${blackbox} from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]`,
  async (stage) => {
    const command = ['sh', '-c', "echo 'OK' > /dev/termination-log; echo DONE; true"];
    expect(await message(stage, { command, ...fallback }, 'Succeeded')).toBe('OK\n');
  },
);

behaviour(
  `${blackbox} from log output if TerminationMessagePolicy FallbackToLogsOnError is set [NodeConformance]`,
  async (stage) => {
    const command = ['sh', '-c', "echo 'DONE'; false"];
    expect(await message(stage, { command, ...fallback }, 'Failed')).toBe('DONE\n');
  },
);

const hooks = '[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute';

/** A server that logs what it is asked. */
async function server(stage: RealStage): Promise<{ readonly name: string; readonly ip: string }> {
  const { metadata } = await stage.create({ containers: [{ name: 'main', image: 'coxswain.dev/echo:v1' }] });
  const { status } = await stage.until(metadata!.name!, (pod) => pod.status?.phase === 'Running');
  await expect
    .poll(() =>
      fetch(`http://${status!.podIP}:8080/`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    .toBe(true);
  return { name: metadata!.name!, ip: status!.podIP! };
}

for (const hook of ['postStart', 'preStop'] as const) {
  behaviour(`${hooks} ${hook.toLowerCase()} http hook properly [NodeConformance]`, async (stage) => {
    const { name, ip } = await server(stage);
    const httpGet = { path: `/echo?msg=${hook}`, host: ip, port: 8080 };
    const main = { name: 'main', image: 'coxswain.dev/pause:v1', lifecycle: { [hook]: { httpGet } } };
    const { metadata } = await stage.create({ terminationGracePeriodSeconds: 15, containers: [main] });
    await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
    if (hook === 'preStop') {
      expect(await stage.log(name)).not.toContain('msg=preStop');
      await stage.of(pods).delete(metadata!.name!, { ...inDefault, gracePeriodSeconds: 15 });
    }
    await expect.poll(() => stage.log(name)).toContain(`GET /echo?msg=${hook}`);
  });
}

behaviour('[sig-node] PreStop should call prestop when killing a pod', async (stage) => {
  const { name, ip } = await server(stage);
  const lifecycle = { preStop: { httpGet: { path: '/write', host: ip, port: 8080 } } };
  const { metadata } = await stage.create({
    terminationGracePeriodSeconds: 15,
    containers: [{ name: 'tester', image: 'coxswain.dev/pause:v1', lifecycle }],
  });
  await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
  await stage.of(pods).delete(metadata!.name!, { ...inDefault, gracePeriodSeconds: 15 });
  const left = async () =>
    (await stage.of(pods).list(inDefault)).items.some((pod) => pod.metadata?.name === metadata!.name);
  await expect.poll(left).toBe(false);
  await expect.poll(() => stage.log(name)).toContain('GET /write');
});

for (const hook of ['postStart', 'preStop'] as const) {
  behaviour(`${hooks} ${hook.toLowerCase()} exec hook properly [NodeConformance]`, async (stage) => {
    const file = stage.name('/shared/hook');
    const volumes = [{ name: 'shared', emptyDir: {} }];
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
    const lifecycle = { [hook]: { exec: { command: ['sh', '-c', `echo ${hook} > ${file}`] } } };
    const hooked = { name: 'hooked', image: 'coxswain.dev/pause:v1', lifecycle, volumeMounts };
    // The observer lives on for a while, to see what the other container does at its end.
    const patient = { preStop: { sleep: { seconds: 50 } } };
    const observer = { name: 'observer', image: mounttest, args: [`follow:${file}`], volumeMounts, lifecycle: patient };
    const { metadata } = await stage.create({
      terminationGracePeriodSeconds: 60,
      volumes,
      containers: [hooked, observer],
    });
    await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
    const seen = (): Promise<string> => stage.log(metadata!.name!, 'container=observer');
    await expect.poll(seen).toContain(`content of ${file}: `);
    if (hook === 'preStop') {
      expect(await seen()).toBe(`content of ${file}: (none)\n`);
      await stage.of(pods).delete(metadata!.name!, { ...inDefault, gracePeriodSeconds: 60 });
    }
    await expect.poll(seen).toContain(`content of ${file}: ${hook}\n`);
    await stage.of(pods).delete(metadata!.name!, { ...inDefault, gracePeriodSeconds: 0 });
  });
}

const probing = '[sig-node] Probing container should';
const period = { initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 1 };
/** Of those that hold, however slow the machine is: they count once they have held. */
const lasting = { ...period, timeoutSeconds: 60 };
const beginning = { ...lasting, failureThreshold: 600 };

async function probed(stage: RealStage, main: Partial<Container>, restarted: boolean): Promise<void> {
  const { metadata } = await stage.create({ containers: [{ name: 'main', image: 'coxswain.dev/echo:v1', ...main }] });
  const name = metadata!.name!;
  const restarts = ({
    status,
  }: {
    readonly status?: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }) => status?.containerStatuses?.[0]?.restartCount ?? 0;
  const { status } = await stage.until(name, (pod) => pod.status?.containerStatuses?.[0]?.started === true);
  if (restarted) {
    if (main.command === undefined)
      await expect
        .poll(() =>
          fetch(`http://${status!.podIP}:8080/fail`, { method: 'POST' }).then(
            ({ ok }) => ok,
            () => false,
          ),
        )
        .toBe(true);
    await stage.until(name, (pod) => restarts(pod) >= 1);
  } else {
    const endMs = performance.now() + 4000;
    while (performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(restarts(await stage.of(pods).get(name, inDefault))).toBe(0);
    }
  }
}

const http = { httpGet: { path: '/healthz', port: 8080 }, ...period };
const cat = { exec: { command: ['cat', '/tmp/health'] } };
/** A probe that holds from the start of the container on, as soon as it does so at all. */
const holding = (handler: Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket'>): Partial<Container> => ({
  livenessProbe: { ...handler, ...lasting },
  startupProbe: { ...handler, ...beginning },
});
behaviour(`${probing} be restarted with a /healthz http liveness probe [NodeConformance]`, (stage) =>
  probed(stage, { livenessProbe: http }, true),
);
behaviour(`${probing} *not* be restarted with a /healthz http liveness probe [NodeConformance]`, (stage) =>
  probed(stage, holding({ httpGet: http.httpGet }), false),
);
behaviour(`${probing} *not* be restarted with a tcp:8080 liveness probe [NodeConformance]`, (stage) =>
  probed(stage, holding({ tcpSocket: { port: 8080 } }), false),
);
behaviour(`${probing} *not* be restarted with a exec "cat /tmp/health" liveness probe [NodeConformance]`, (stage) =>
  probed(stage, { command: ['sh', '-c', 'echo ok > /tmp/health; sleep 600'], ...holding(cat) }, false),
);
behaviour(`${probing} be restarted with a exec "cat /tmp/health" liveness probe [NodeConformance]`, (stage) =>
  probed(
    stage,
    { command: ['sh', '-c', 'echo ok > /tmp/other; sleep 600'], livenessProbe: { ...cat, ...period } },
    true,
  ),
);
