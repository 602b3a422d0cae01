/** What containers find in the volumes that are made of ConfigMaps, Secrets and the pod itself, and in empty ones. */
import { expect } from 'vitest';
import type { ContainerPort, PodSpec, Volume, VolumeMount, VolumeProjection } from '#pkg/api/types/core-v1.ts';
import { configMaps, namespaces, pods, secrets } from '#pkg/api/types/refs.ts';
import { configMap, secret } from './objects.ts';
import { mounttest, onRealCluster, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster();
const inDefault = { namespace: 'default' };
const nc = '[NodeConformance]';
const linux = `[LinuxOnly] ${nc}`;
const data = { 'data-1': 'value-1', 'data-2': 'value-2', 'data-3': 'value-3' };

type Kind = 'configMap' | 'secret';
type Options = {
  readonly defaultMode?: number;
  readonly mode?: number;
  readonly path?: string;
  readonly optional?: boolean;
};

/** Something that files can come from, in a volume of its own or in a projected one. */
type Wrap = 'plain' | 'projected';

function keysVolume(name: string, kind: Kind, wrap: Wrap, options: Options = {}): Volume {
  const { defaultMode, mode, path, optional } = options;
  const items = path === undefined ? {} : { items: [{ key: 'data-2', path, ...(mode === undefined ? {} : { mode }) }] };
  const modes = defaultMode === undefined ? {} : { defaultMode };
  const may = optional === undefined ? {} : { optional };
  if (wrap === 'projected') {
    return {
      name: 'volume',
      projected: { sources: [{ [kind]: { name, ...items, ...may } } as VolumeProjection], ...modes },
    };
  }
  if (kind === 'secret') return { name: 'volume', secret: { secretName: name, ...items, ...modes, ...may } };
  return { name: 'volume', configMap: { name, ...items, ...modes, ...may } };
}

async function source(stage: RealStage, kind: Kind): Promise<string> {
  const name = stage.name(kind.toLowerCase());
  if (kind === 'configMap') await stage.of(configMaps).create(configMap(name, data, inDefault));
  else await stage.of(secrets).create(secret(name, data, inDefault));
  return name;
}

/** Mounts one volume at `/etc/volume` and returns what `mounttest` says with these arguments. */
function look(stage: RealStage, volume: Volume, args: readonly string[], more: Partial<PodSpec> = {}): Promise<string> {
  const volumeMounts = [{ name: volume.name, mountPath: '/etc/volume' }];
  return stage.output({ image: mounttest, args, volumeMounts }, { volumes: [volume], ...more });
}

const found = (path: string, content: string, mode?: string): string =>
  `content of /etc/volume/${path}: ${content}\n${mode === undefined ? '' : `mode of /etc/volume/${path}: ${mode}\n`}`;

for (const [area, kind, wrap, itemMode, several] of [
  ['[sig-storage] ConfigMap', 'configMap', 'plain', 'Item mode', 'the same pod'],
  ['[sig-storage] Projected configMap', 'configMap', 'projected', 'Item mode', 'the same pod'],
  ['[sig-storage] Secrets', 'secret', 'plain', 'Item Mode', 'a pod'],
  ['[sig-storage] Projected secret', 'secret', 'projected', 'Item Mode', 'a pod'],
] as const) {
  const volume = async (stage: RealStage, options: Options = {}): Promise<Volume> =>
    keysVolume(await source(stage, kind), kind, wrap, options);

  behaviour(`${area} should be consumable from pods in volume ${nc}`, async (stage) => {
    const seen = await look(stage, await volume(stage), ['content:/etc/volume/data-1', 'mode:/etc/volume/data-1']);
    expect(seen).toBe(found('data-1', 'value-1', '644'));
  });

  behaviour(`${area} should be consumable from pods in volume with defaultMode set ${linux}`, async (stage) => {
    const args = ['content:/etc/volume/data-1', 'mode:/etc/volume/data-1'];
    expect(await look(stage, await volume(stage, { defaultMode: 0o400 }), args)).toBe(
      found('data-1', 'value-1', '400'),
    );
  });

  behaviour(`${area} should be consumable from pods in volume with mappings ${nc}`, async (stage) => {
    const path = 'path/to/data-2';
    const args = [`content:/etc/volume/${path}`, `mode:/etc/volume/${path}`];
    expect(await look(stage, await volume(stage, { path }), args)).toBe(found(path, 'value-2', '644'));
  });

  behaviour(
    `${area} should be consumable from pods in volume with mappings and ${itemMode} set ${linux}`,
    async (stage) => {
      const path = 'path/to/data-2';
      const args = [`content:/etc/volume/${path}`, `mode:/etc/volume/${path}`];
      expect(await look(stage, await volume(stage, { path, mode: 0o400 }), args)).toBe(found(path, 'value-2', '400'));
    },
  );

  behaviour(`${area} should be consumable in multiple volumes in ${several} ${nc}`, async (stage) => {
    const name = await source(stage, kind);
    const volumes = ['one', 'two'].map((one) => ({ ...keysVolume(name, kind, wrap), name: one }));
    const volumeMounts = [
      { name: 'one', mountPath: '/etc/one' },
      { name: 'two', mountPath: '/etc/two' },
    ];
    const args = ['content:/etc/one/data-1', 'content:/etc/two/data-1'];
    expect(await stage.output({ image: mounttest, args, volumeMounts }, { volumes })).toBe(
      'content of /etc/one/data-1: value-1\ncontent of /etc/two/data-1: value-1\n',
    );
  });

  behaviour(`${area} optional updates should be reflected in volume ${nc}`, async (stage) => {
    const [gone, changed] = [await source(stage, kind), await source(stage, kind)];
    const later = stage.name('later');
    const volumes = [
      { ...keysVolume(gone, kind, wrap, { optional: true }), name: 'gone' },
      { ...keysVolume(changed, kind, wrap, { optional: true }), name: 'changed' },
      { ...keysVolume(later, kind, wrap, { optional: true }), name: 'later' },
    ];
    const containers = volumes.map(({ name }) => ({
      name,
      image: mounttest,
      args: [`follow:/etc/${name}/data-1`],
      volumeMounts: [{ name, mountPath: `/etc/${name}` }],
    }));
    const { metadata } = await stage.create({ containers, volumes });
    const seen = (name: string): Promise<string> => stage.log(metadata!.name!, `container=${name}`);
    const line = (name: string, text: string): string => `content of /etc/${name}/data-1: ${text}\n`;
    await expect.poll(() => seen('gone').catch(() => '')).toBe(line('gone', 'value-1'));
    await expect.poll(() => seen('changed').catch(() => '')).toBe(line('changed', 'value-1'));
    await expect.poll(() => seen('later').catch(() => '')).toBe(line('later', '(none)'));
    const [text, encoded] = [{ 'data-1': 'new' }, { 'data-1': Buffer.from('new').toString('base64') }];
    if (kind === 'configMap') {
      await stage.of(configMaps).delete(gone, inDefault);
      await stage.of(configMaps).patch(changed, { data: text }, { ...inDefault, type: 'merge' });
      await stage.of(configMaps).create(configMap(later, text, inDefault));
    } else {
      await stage.of(secrets).delete(gone, inDefault);
      await stage.of(secrets).patch(changed, { data: encoded }, { ...inDefault, type: 'merge' });
      await stage.of(secrets).create(secret(later, text, inDefault));
    }
    await expect.poll(() => seen('changed')).toBe(line('changed', 'value-1') + line('changed', 'new'));
    await expect.poll(() => seen('later')).toBe(line('later', '(none)') + line('later', 'new'));
    await expect.poll(() => seen('gone')).toBe(line('gone', 'value-1') + line('gone', '(none)'));
  });

  if (kind === 'configMap') {
    behaviour(`${area} updates should be reflected in volume ${nc}`, async (stage) => {
      const name = await source(stage, kind);
      const volumeMounts = [{ name: 'volume', mountPath: '/etc/volume' }];
      const main = { name: 'main', image: mounttest, args: ['follow:/etc/volume/data-1'], volumeMounts };
      const { metadata } = await stage.create({ containers: [main], volumes: [keysVolume(name, kind, wrap)] });
      const seen = (): Promise<string> => stage.log(metadata!.name!).catch(() => '');
      await expect.poll(seen).toBe(found('data-1', 'value-1'));
      await stage.of(configMaps).patch(name, { data: { 'data-1': 'value-2' } }, { ...inDefault, type: 'merge' });
      await expect.poll(seen).toBe(found('data-1', 'value-1') + found('data-1', 'value-2'));
    });
  }
}

behaviour(`[sig-storage] ConfigMap binary data should be reflected in volume ${nc}`, async (stage) => {
  const name = stage.name('binary');
  const binaryData = { 'dump.bin': Buffer.from('\u00de\u00ca\u0001\u00ad').toString('base64') };
  await stage.of(configMaps).create({ ...configMap(name, { 'data-1': 'value-1' }, inDefault), binaryData });
  const seen = await look(stage, { name: 'volume', configMap: { name } }, [
    'content:/etc/volume/data-1',
    'content:/etc/volume/dump.bin',
  ]);
  expect(seen).toBe(found('data-1', 'value-1') + found('dump.bin', '\u00de\u00ca\u0001\u00ad'));
});

behaviour(
  `[sig-storage] Secrets should be able to mount in a volume regardless of a different secret existing with same name in different namespace ${nc}`,
  async (stage) => {
    const name = await source(stage, 'secret');
    await stage.of(namespaces).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } });
    await stage.of(secrets).create(secret(name, { 'data-1': 'other' }, { namespace: 'elsewhere' }));
    const args = ['content:/etc/volume/data-1', 'mode:/etc/volume/data-1'];
    expect(await look(stage, keysVolume(name, 'secret', 'plain'), args)).toBe(found('data-1', 'value-1', '644'));
  },
);

const resources = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };

for (const [area, wrap] of [
  ['[sig-storage] Downward API volume', 'plain'],
  ['[sig-storage] Projected downwardAPI', 'projected'],
] as const) {
  type Item = { readonly path: string; readonly mode?: number } & Record<string, unknown>;
  const volume = (items: readonly Item[], defaultMode?: number): Volume => {
    const modes = defaultMode === undefined ? {} : { defaultMode };
    const list = items as never;
    return wrap === 'plain'
      ? { name: 'volume', downwardAPI: { items: list, ...modes } }
      : { name: 'volume', projected: { sources: [{ downwardAPI: { items: list } }], ...modes } };
  };
  const podname = { path: 'podname', fieldRef: { fieldPath: 'metadata.name' } };
  const amount = (resource: string) =>
    volume([{ path: 'amount', resourceFieldRef: { containerName: 'main', resource } }]);
  const readAmount = async (stage: RealStage, resource: string, withResources: boolean): Promise<string> => {
    const volumeMounts = [{ name: 'volume', mountPath: '/etc/volume' }];
    const main = { image: mounttest, args: ['content:/etc/volume/amount'], volumeMounts };
    const text = await stage.output(withResources ? { ...main, resources } : main, { volumes: [amount(resource)] });
    return text.replace('content of /etc/volume/amount: ', '').trim();
  };

  for (const [what, resource, value] of [
    ['cpu limit', 'limits.cpu', '2'],
    ['cpu request', 'requests.cpu', '1'],
    ['memory limit', 'limits.memory', '67108864'],
    ['memory request', 'requests.memory', '33554432'],
  ] as const) {
    behaviour(`${area} should provide container's ${what} ${nc}`, async (stage) => {
      expect(await readAmount(stage, resource, true)).toBe(value);
    });
  }

  for (const word of ['cpu', 'memory']) {
    behaviour(
      `${area} should provide node allocatable (${word}) as default ${word} limit if the limit is not set ${nc}`,
      async (stage) => {
        expect(await readAmount(stage, `limits.${word}`, false)).toMatch(/^[1-9]\d*$/);
      },
    );
  }

  behaviour(`${area} should provide podname only ${nc}`, async (stage) => {
    const name = stage.name('podname');
    const volumeMounts = [{ name: 'volume', mountPath: '/etc/volume' }];
    const main = { image: mounttest, args: ['content:/etc/volume/podname'], volumeMounts };
    expect(await stage.output(main, { volumes: [volume([podname])] }, { name })).toBe(found('podname', name));
  });

  behaviour(`${area} should set DefaultMode on files ${linux}`, async (stage) => {
    expect(await look(stage, volume([podname], 0o400), ['mode:/etc/volume/podname'])).toBe(
      'mode of /etc/volume/podname: 400\n',
    );
  });

  behaviour(`${area} should set mode on item file ${linux}`, async (stage) => {
    const items = [{ ...podname, mode: 0o400 }];
    expect(await look(stage, volume(items), ['mode:/etc/volume/podname'])).toBe('mode of /etc/volume/podname: 400\n');
  });

  for (const word of ['annotations', 'labels'] as const) {
    behaviour(`${area} should update ${word} on modification ${nc}`, async (stage) => {
      const volumes = [volume([{ path: word, fieldRef: { fieldPath: `metadata.${word}` } }])];
      const volumeMounts = [{ name: 'volume', mountPath: '/etc/volume' }];
      const main = { name: 'main', image: mounttest, args: [`follow:/etc/volume/${word}`], volumeMounts };
      const name = stage.name('modified');
      await stage.create({ containers: [main], volumes }, { name, [word]: { builder: 'bar' } });
      const seen = (): Promise<string> => stage.log(name).catch(() => '');
      await expect.poll(seen).toContain('builder="bar"');
      await stage.of(pods).patch(name, { metadata: { [word]: { builder: 'foo' } } }, { ...inDefault, type: 'merge' });
      await expect.poll(seen).toContain('builder="foo"');
    });
  }
}

behaviour(
  `[sig-storage] Projected combined should project all components that make up the projection API [Projection] ${nc}`,
  async (stage) => {
    const [maps, keys] = [await source(stage, 'configMap'), await source(stage, 'secret')];
    const sources = [
      { downwardAPI: { items: [{ path: 'podname', fieldRef: { fieldPath: 'metadata.name' } }] } },
      { secret: { name: keys, items: [{ key: 'data-1', path: 'secret-data' }] } },
      { configMap: { name: maps, items: [{ key: 'data-1', path: 'configmap-data' }] } },
    ];
    const args = ['podname', 'secret-data', 'configmap-data'].map((path) => `content:/etc/volume/${path}`);
    const name = stage.name('combined');
    const volumeMounts = [{ name: 'volume', mountPath: '/etc/volume' }];
    const volumes = [{ name: 'volume', projected: { sources } }];
    expect(await stage.output({ image: mounttest, args, volumeMounts }, { volumes }, { name })).toBe(
      found('podname', name) + found('secret-data', 'value-1') + found('configmap-data', 'value-1'),
    );
  },
);

const emptyDir = '[sig-storage] EmptyDir volumes';
const empty: Volume = { name: 'volume', emptyDir: {} };

for (const bits of ['0644', '0666', '0777']) {
  behaviour(`${emptyDir} should support (root,${bits},default) ${linux}`, async (stage) => {
    const file = '/etc/volume/test-file';
    const mode = bits.slice(1);
    const seen = await look(stage, empty, [`write:${file}:${bits}`, `mode:${file}`, `content:${file}`]);
    expect(seen).toBe(`mode of ${file}: ${mode}\ncontent of ${file}: mount-tester new file\n\n`);
  });
}

behaviour(`${emptyDir} volume on default medium should have the correct mode ${linux}`, async (stage) => {
  expect(await look(stage, empty, ['mode:/etc/volume'])).toBe('mode of /etc/volume: 777\n');
});

behaviour(`${emptyDir} pod should support shared volumes between containers`, async (stage) => {
  const volumeMounts: readonly VolumeMount[] = [{ name: 'volume', mountPath: '/usr/share/volumeshare' }];
  const file = '/usr/share/volumeshare/shareddata.txt';
  const ports: readonly ContainerPort[] = [];
  const writer = {
    name: 'sub',
    image: 'coxswain.dev/job:v1',
    command: ['sh', '-c', `echo "Hello from the busy-box sub-container" > ${file}`],
    volumeMounts,
    ports,
  };
  const reader = { name: 'main', image: mounttest, args: [`wait:${file}`, `follow:${file}`], volumeMounts };
  const { metadata } = await stage.create({ containers: [reader, writer], volumes: [empty], restartPolicy: 'Never' });
  const seen = (): Promise<string> => stage.log(metadata!.name!, 'container=main').catch(() => '');
  await expect.poll(seen).toContain(`content of ${file}: Hello from the busy-box sub-container\n`);
});

const wrapper = '[sig-storage] EmptyDir wrapper volumes';

behaviour(`${wrapper} should not conflict`, async (stage) => {
  const [maps, keys] = [await source(stage, 'configMap'), await source(stage, 'secret')];
  const volumes = [
    { name: 'secret', secret: { secretName: keys } },
    { name: 'config', configMap: { name: maps } },
  ];
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/etc/${name}` }));
  const { metadata } = await stage.create({
    volumes,
    containers: [{ name: 'main', image: 'coxswain.dev/pause:v1', volumeMounts }],
  });
  await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
});

behaviour(`${wrapper} should not cause race condition when used for configmaps [Serial]`, async (stage) => {
  const names = await Promise.all(Array.from({ length: 50 }, () => source(stage, 'configMap')));
  const volumes = names.map((name, index) => ({
    name: `racey-${index}`,
    configMap: { name, items: [{ key: 'data-1', path: 'data-1' }] },
  }));
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/etc/${name}` }));
  const containers = [{ name: 'main', image: 'coxswain.dev/pause:v1', volumeMounts }];
  const made = await Promise.all(Array.from({ length: 5 }, () => stage.create({ volumes, containers })));
  for (const { metadata } of made) {
    await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
    await stage.of(pods).delete(metadata!.name!, inDefault);
  }
});

const subpath = '[sig-storage] Subpath Atomic writer volumes should support subpaths with';

/** One file or folder of a volume at a path of its own. */
async function atSubPath(
  stage: RealStage,
  volume: Volume,
  mount: Partial<VolumeMount> & { readonly mountPath: string },
): Promise<string> {
  const volumeMounts = [{ name: volume.name, ...mount }];
  return stage.output({ image: mounttest, args: [`content:${mount.mountPath}`], volumeMounts }, { volumes: [volume] });
}

behaviour(`${subpath} configmap pod`, async (stage) => {
  const volume = keysVolume(await source(stage, 'configMap'), 'configMap', 'plain');
  expect(await atSubPath(stage, volume, { mountPath: '/test/file', subPath: 'data-1' })).toBe(
    'content of /test/file: value-1\n',
  );
});

behaviour(`${subpath} configmap pod with mountPath of existing file`, async (stage) => {
  const volume = keysVolume(await source(stage, 'configMap'), 'configMap', 'plain');
  expect(await atSubPath(stage, volume, { mountPath: '/etc/resolv.conf', subPath: 'data-1' })).toBe(
    'content of /etc/resolv.conf: value-1\n',
  );
});

behaviour(`${subpath} secret pod`, async (stage) => {
  const volume = keysVolume(await source(stage, 'secret'), 'secret', 'plain');
  expect(await atSubPath(stage, volume, { mountPath: '/test/file', subPath: 'data-1' })).toBe(
    'content of /test/file: value-1\n',
  );
});

behaviour(`${subpath} projected pod`, async (stage) => {
  const volume = keysVolume(await source(stage, 'configMap'), 'configMap', 'projected', { path: 'sub/data-2' });
  expect(await atSubPath(stage, volume, { mountPath: '/test/file', subPath: 'sub/data-2' })).toBe(
    'content of /test/file: value-2\n',
  );
});

behaviour(`${subpath} downward pod`, async (stage) => {
  const items = [{ path: 'downward/namespace', fieldRef: { fieldPath: 'metadata.namespace' } }];
  const volume: Volume = { name: 'volume', downwardAPI: { items } };
  expect(await atSubPath(stage, volume, { mountPath: '/test/file', subPath: 'downward/namespace' })).toBe(
    'content of /test/file: default\n',
  );
});

const expansion = '[sig-node] Variable Expansion should';
const podName = [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }];

behaviour(`${expansion} allow substituting values in a volume subpath`, async (stage) => {
  const volumeMounts = [
    { name: 'volume', mountPath: '/logscontainer', subPathExpr: '$(POD_NAME)' },
    { name: 'volume', mountPath: '/testcontainer' },
  ];
  const name = stage.name('expanded');
  const args = ['write:/logscontainer/test.txt', `content:/testcontainer/${name}/test.txt`];
  const seen = await stage.output(
    { image: mounttest, args, volumeMounts, env: podName },
    { volumes: [empty] },
    { name },
  );
  expect(seen).toBe(`content of /testcontainer/${name}/test.txt: mount-tester new file\n\n`);
});

for (const [what, value] of [
  ['backticks', '..'],
  ['absolute path', '/tmp'],
] as const) {
  behaviour(`${expansion} fail substituting values in a volume subpath with ${what}`, async (stage) => {
    const env = [{ name: 'POD_NAME', value }];
    const volumeMounts = [{ name: 'volume', mountPath: '/logscontainer', subPathExpr: '$(POD_NAME)' }];
    const { metadata } = await stage.create({
      volumes: [empty],
      containers: [{ name: 'main', image: 'coxswain.dev/pause:v1', env, volumeMounts }],
    });
    const { status } = await stage.until(
      metadata!.name!,
      (pod) => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    );
    expect(status?.phase).toBe('Pending');
  });
}

const annotated = {
  name: 'ANNOTATION',
  valueFrom: { fieldRef: { fieldPath: "metadata.annotations['mysubpath']" } },
};

behaviour(`${expansion} succeed in writing subpaths in container`, async (stage) => {
  const name = stage.name('writing');
  const volumeMounts = [
    { name: 'volume', mountPath: '/subpath_mount', subPathExpr: '$(ANNOTATION)/$(POD_NAME)' },
    { name: 'volume', mountPath: '/volume_mount' },
  ];
  const args = [`write:/volume_mount/mypath/${name}/test.log`, 'follow:/subpath_mount/test.log'];
  const container = { name: 'main', image: mounttest, args, env: [...podName, annotated], volumeMounts };
  await stage.create({ volumes: [empty], containers: [container] }, { name, annotations: { mysubpath: 'mypath' } });
  const seen = (): Promise<string> => stage.log(name).catch(() => '');
  await expect.poll(seen).toContain('content of /subpath_mount/test.log: mount-tester new file\n');
  await stage.until(name, ({ status }) => status?.phase === 'Running');
  // What is mounted stays what it is.
  const annotations = { mysubpath: 'mynewpath' };
  await stage.of(pods).patch(name, { metadata: { annotations } }, { ...inDefault, type: 'merge' });
  const { status } = await stage.until(name, ({ metadata }) => metadata?.annotations?.['mysubpath'] === 'mynewpath');
  expect([status?.phase, status?.containerStatuses?.[0]?.restartCount]).toEqual(['Running', 0]);
  await stage.of(pods).delete(name, inDefault);
  await expect
    .poll(() =>
      stage
        .of(pods)
        .get(name, inDefault)
        .catch(() => 'gone'),
    )
    .toBe('gone');
});

behaviour(
  `${expansion} verify that a failing subpath expansion can be modified during the lifecycle of a container [Slow]`,
  async (stage) => {
    const name = stage.name('modified');
    const volumeMounts = [{ name: 'volume', mountPath: '/volume_mount', subPathExpr: '$(ANNOTATION)/$(POD_NAME)' }];
    const args = ['write:/volume_mount/test.log', 'follow:/volume_mount/test.log'];
    const container = { name: 'main', image: mounttest, args, env: [...podName, annotated], volumeMounts };
    await stage.create(
      { volumes: [empty], containers: [container] },
      { name, annotations: { notmysubpath: 'mypath' } },
    );
    await stage.until(
      name,
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    );
    const annotations = { mysubpath: 'mypath' };
    await stage.of(pods).patch(name, { metadata: { annotations } }, { ...inDefault, type: 'merge' });
    await stage.until(name, ({ status }) => status?.phase === 'Running');
    await stage.of(pods).delete(name, inDefault);
  },
);
