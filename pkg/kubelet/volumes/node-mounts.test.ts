import { expect, test } from 'vitest';
import { mountedPath, mountText, parseMount } from './node-mounts.ts';

const mounts = [
  { containerPath: '/data', hostPath: '/home/me' },
  { containerPath: '/data/deep/', hostPath: '/srv' },
];

test.each([
  ['/data', '/home/me'],
  ['/data/', '/home/me'],
  ['/data/a/b', '/home/me/a/b'],
  ['//data/./a', '/home/me/a'],
  ['/data/deep', '/srv'],
  ['/data/deep/a', '/srv/a'],
  ['/data/deeper', '/home/me/deeper'],
  ['/data/../etc', '/data/../etc'],
  ['/database', '/database'],
  ['/', '/'],
  ['/other/', '/other/'],
])('%s of the node is %s of the machine', (path, expected) => {
  expect(mountedPath(path, mounts)).toBe(expected);
});

test('a mount at the root holds all paths', () => {
  expect(mountedPath('/a', [{ containerPath: '/', hostPath: '/srv' }])).toBe('/srv/a');
});

test('a mount is a text that means it', () => {
  for (const mount of [...mounts, { containerPath: '/a', hostPath: '/x=y,z' }])
    expect(parseMount(mountText(mount))).toEqual(mount);
  for (const text of ['', '/a', 'a=/b', '/a=b', '=/b']) expect(parseMount(text)).toBe(undefined);
});
