/** What programs of whatever users find in volumes, and what volumes of memory are. */
import { expect } from 'vitest';
import type { PodSpec, Volume, VolumeProjection } from '#pkg/api/types/core-v1.ts';
import { configMaps, secrets } from '#pkg/api/types/refs.ts';
import { tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';
import { testImage } from '#pkg/images/testing/image-documents.ts';
import { serveImage } from '#pkg/images/testing/serve-image.ts';
import { onBusyboxCluster } from './busybox-stage.ts';
import { configMap, secret } from './objects.ts';
import type { RealStage } from './real-stage.ts';

const { behaviour, printed } = onBusyboxCluster();
const inDefault = { namespace: 'default' };
const nc = '[NodeConformance]';
const linux = `[LinuxOnly] ${nc}`;

const user = { securityContext: { runAsUser: 1001 } };

/** What a script prints that finds a volume at `/v`. */
const look = (volume: Omit<Volume, 'name'>, script: string, spec: Partial<PodSpec> = {}): Promise<string> =>
  printed(script, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, { volumes: [{ name: 'v', ...volume }], ...spec });

async function source(stage: RealStage, kind: 'configMap' | 'secret'): Promise<string> {
  const name = stage.name(kind.toLowerCase());
  const data = { 'data-1': 'value-1', 'data-2': 'value-2' };
  if (kind === 'configMap') await stage.of(configMaps).create(configMap(name, data, inDefault));
  else await stage.of(secrets).create(secret(name, data, inDefault));
  return name;
}

const projected = (one: VolumeProjection, modes: { readonly defaultMode?: number } = {}): Omit<Volume, 'name'> => ({
  projected: { sources: [one], ...modes },
});

for (const [area, isProjected] of [
  ['[sig-storage] ConfigMap', false],
  ['[sig-storage] Projected configMap', true],
] as const) {
  behaviour(`${area} should be consumable from pods in volume as non-root ${nc}`, async (stage) => {
    const one = { configMap: { name: await source(stage, 'configMap') } };
    // Nobody writes to what the kubelet writes.
    const seen = await look(isProjected ? projected(one) : one, 'id -u; cat /v/data-1; echo; echo x >/v/data-1', user);
    expect(seen).toBe("1001\nvalue-1\nsh: can't create /v/data-1: Read-only file system\n");
  });

  behaviour(`${area} should be consumable from pods in volume with mappings as non-root ${nc}`, async (stage) => {
    const items = [{ key: 'data-2', path: 'path/to/data-2' }];
    const one = { configMap: { name: await source(stage, 'configMap'), items } };
    expect(await look(isProjected ? projected(one) : one, 'cat /v/path/to/data-2', user)).toBe('value-2');
  });
}

for (const [area, isProjected] of [
  ['[sig-storage] Secrets', false],
  ['[sig-storage] Projected secret', true],
] as const)
  behaviour(
    `${area} should be consumable from pods in volume as non-root with defaultMode and fsGroup set ${linux}`,
    async (stage) => {
      const name = await source(stage, 'secret');
      const modes = { defaultMode: 0o440 };
      const volume = isProjected ? projected({ secret: { name } }, modes) : { secret: { secretName: name, ...modes } };
      const spec = { securityContext: { runAsUser: 1000, fsGroup: 1001 } };
      expect(await look(volume, 'cat /v/data-1; echo; stat -L -c "%a %g" /v/data-1', spec)).toBe('value-1\n440 1001\n');
    },
  );

const emptyDir = '[sig-storage] EmptyDir volumes';
const memory: Omit<Volume, 'name'> = { emptyDir: { medium: 'Memory' } };

/** Writes a file with these permissions, and says what has become of it. */
const writes = (bits: string): string =>
  `echo text >/v/file; chmod ${bits} /v/file; id -u; stat -c %a /v/file; cat /v/file; stat -f -c %T /v`;

for (const bits of ['0644', '0666', '0777']) {
  const mode = bits.slice(1);
  behaviour(`${emptyDir} should support (root,${bits},tmpfs) ${linux}`, async () => {
    expect(await look(memory, writes(bits))).toBe(`0\n${mode}\ntext\ntmpfs\n`);
  });
  behaviour(`${emptyDir} should support (non-root,${bits},tmpfs) ${linux}`, async () => {
    expect(await look(memory, writes(bits), user)).toBe(`1001\n${mode}\ntext\ntmpfs\n`);
  });
  behaviour(`${emptyDir} should support (non-root,${bits},default) ${linux}`, async () => {
    expect(await look({ emptyDir: {} }, writes(bits), user)).toMatch(new RegExp(`^1001\n${mode}\ntext\n(?!tmpfs)`));
  });
}

behaviour(`${emptyDir} volume on tmpfs should have the correct mode ${linux}`, async () => {
  // With the bit that the kernel gives such a file system, as at upstream's kubelet.
  expect(await look(memory, 'stat -c %a /v; stat -f -c %T /v')).toBe('1777\ntmpfs\n');
});

behaviour(
  '[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35]',
  async () => {
    const layer = Buffer.concat([
      tarFile({ kind: 'directory', path: 'dir/', mode: 0o755 }, ''),
      tarFile({ path: 'dir/file', mode: 0o755 }, '#!/bin/sh\necho ran\n'),
      tarEnd(),
    ]);
    const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
    const { host, asked } = await serveImage(testImage([layer], { platform }));
    const volume = { image: { reference: `${host}/files:1`, pullPolicy: 'Always' } };
    expect((await look(volume, 'busybox head -n 1 /v/dir/file; echo x >/v/new; /v/dir/file')).split('\n')).toEqual([
      '#!/bin/sh',
      "sh: can't create /v/new: Read-only file system",
      'sh: /v/dir/file: Permission denied',
      '',
    ]);
    expect(asked.filter((line) => line.endsWith('/manifests/1'))).toHaveLength(1);
    const part = { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'dir' }] };
    expect(await printed('busybox ls /v', part, { volumes: [{ name: 'v', ...volume }] })).toBe('file\n');
    // Asked again, as its policy says.
    expect(asked.filter((line) => line.endsWith('/manifests/1'))).toHaveLength(2);
  },
);
