/** Documents of images that others made, and which image of an index is for a machine. */
import { describe, expect, test } from 'vitest';
import { digestOf } from '../digest.ts';
import { testImage } from '../testing/image-documents.ts';
import { type Descriptor, mediaTypes, type Platform, parseConfig, parseManifest } from './documents.ts';
import { chooseManifest, platformOfMachine } from './platform.ts';

const digest = digestOf('a');
const descriptor = { mediaType: mediaTypes.ociConfig, digest, size: 1 };
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('a manifest and a configuration are read', () => {
  const { contents, target, diffIds, id } = testImage([Buffer.from('x')], {
    config: { Cmd: null, Labels: { a: 'b' }, Volumes: { '/data': {} }, StopSignal: 'SIGINT' },
  });
  const manifest = parseManifest(contents.get(target.digest) ?? Buffer.alloc(0));
  expect(manifest).toMatchObject({ kind: 'image', config: { digest: id } });
  expect(parseConfig(contents.get(id) ?? Buffer.alloc(0))).toMatchObject({
    diffIds,
    config: { command: [], entrypoint: [], labels: { a: 'b' }, volumes: ['/data'], stopSignal: 'SIGINT' },
  });
});

describe('manifests that are refused', () => {
  test.each<[string, unknown, string]>([
    ['no object', [], 'damaged'],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, 'unsupported'],
    ['both at once', { manifests: [], layers: [], config: descriptor }, 'damaged'],
    ['an index that says it is an image', { mediaType: mediaTypes.ociManifest, manifests: [] }, 'damaged'],
    [
      'an image that says it is an index',
      { mediaType: mediaTypes.ociIndex, layers: [], config: descriptor },
      'damaged',
    ],
    ['an unknown kind', { mediaType: 'text/plain', layers: [], config: descriptor }, 'unsupported'],
    ['no layers', { config: descriptor }, 'damaged'],
    ['no configuration', { layers: [] }, 'damaged'],
    ['another algorithm', { layers: [], config: { ...descriptor, digest: `sha512:${'a'.repeat(128)}` } }, 'damaged'],
    [
      'a digest that is a path',
      { layers: [], config: { ...descriptor, digest: 'sha256:../../../etc/passwd' } },
      'damaged',
    ],
    ['a negative size', { layers: [], config: { ...descriptor, size: -1 } }, 'damaged'],
    ['a size that no number holds', { layers: [], config: { ...descriptor, size: 1e300 } }, 'damaged'],
    ['too many layers', { layers: Array.from({ length: 200 }, () => descriptor), config: descriptor }, 'unsupported'],
  ])('%s', (_, manifest, reason) => {
    expect(() => parseManifest(bytes(manifest))).toThrow(expect.objectContaining({ reason }));
  });

  test.each<[string, unknown, string]>([
    ['what is no image', { layers: [] }, 'unsupported'],
    ['layers that are none', { rootfs: { diff_ids: ['a'] } }, 'damaged'],
    ['a command that is none', { rootfs: { diff_ids: [] }, config: { Cmd: 'sh' } }, 'damaged'],
  ])('configurations: %s', (_, config, reason) => {
    expect(() => parseConfig(bytes(config))).toThrow(expect.objectContaining({ reason }));
  });
});

describe('of an index the image of a machine is chosen', () => {
  const entry = (name: string, platform: Platform): Descriptor => ({ mediaType: name, digest, size: 1, platform });
  const arm = (variant?: string): Platform => ({
    os: 'linux',
    architecture: 'arm',
    ...(variant === undefined ? {} : { variant }),
  });
  const all = [
    entry('attestation', { os: 'unknown', architecture: 'unknown' }),
    entry('windows', { os: 'windows', architecture: 'amd64' }),
    entry('amd64', { os: 'linux', architecture: 'amd64' }),
    entry('v5', arm('v5')),
    entry('v7', arm('v7')),
    entry('v6', arm('v6')),
    entry('arm64', { os: 'linux', architecture: 'arm64', variant: 'v8' }),
  ];
  test.each<[string, Platform, string]>([
    ['x64', platformOfMachine('x64'), 'amd64'],
    ['arm64', platformOfMachine('arm64'), 'arm64'],
    ['arm', platformOfMachine('arm'), 'v7'],
    ['arm v6', arm('v6'), 'v6'],
    ['arm v8', arm('v8'), 'v7'],
  ])('%s', (_, platform, name) => {
    expect(chooseManifest(all, platform).mediaType).toBe(name);
  });

  test('none is, where none is there', () => {
    expect(() => chooseManifest(all, { os: 'linux', architecture: 'riscv64' })).toThrow(
      'no match for platform in manifest: linux/riscv64 is not among [windows/amd64, linux/amd64, linux/arm/v5',
    );
    expect(() => chooseManifest(all, arm('v4'))).toThrow('no match for platform');
  });

  test('one without a platform is, where it is the only one', () => {
    expect(chooseManifest([descriptor], platformOfMachine('x64'))).toEqual(descriptor);
  });
});
