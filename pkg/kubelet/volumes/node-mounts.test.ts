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
  expect(mountedPath(path, mounts)).toEqual({ path: expected, isReadOnly: false });
});

test('a mount at the root holds all paths', () => {
  expect(mountedPath('/a', [{ containerPath: '/', hostPath: '/srv' }]).path).toBe('/srv/a');
});

test('what is below a mount is read-only as the deepest one says', () => {
  const fixed = { containerPath: '/data', hostPath: '/home/me', readOnly: true };
  const open = { containerPath: '/data/open', hostPath: '/srv' };
  const isReadOnly = (path: string): boolean => mountedPath(path, [fixed, open]).isReadOnly;
  expect(['/data', '/data/a', '/data/open', '/data/open/a', '/home/me', '/'].map(isReadOnly)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('a mount is a text that means it', () => {
  for (const mount of [...mounts, { containerPath: '/a', hostPath: '/x=y,z' }])
    expect(parseMount(mountText(mount))).toEqual(mount);
  for (const text of ['', '/a', 'a=/b', '/a=b', '=/b']) expect(parseMount(text)).toBe(undefined);
});
