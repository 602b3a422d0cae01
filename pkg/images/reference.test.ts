/** Which names are whole, and which are none. The tables follow `distribution/reference`. */
import { describe, expect, test } from 'vitest';
import { ImageStoreError } from './image-store.ts';
import { isRepositoryPath, isTag, parseReference, repositoryOf, wholeName } from './reference.ts';

const hex = 'a'.repeat(64);

describe('a name', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['team/app', 'docker.io/team/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/team/app:v1', '127.0.0.1:5000/team/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['registry.k8s.io/pause:3.10', 'registry.k8s.io/pause:3.10'],
    ['Host/app', 'Host/app:latest'],
    ['ghcr.io/a/b/c_d__e--f', 'ghcr.io/a/b/c_d__e--f:latest'],
    [`busybox@sha256:${hex}`, `docker.io/library/busybox@sha256:${hex}`],
    // The digest says more than the tag.
    [`busybox:1.36@sha256:${hex}`, `docker.io/library/busybox@sha256:${hex}`],
  ])('%s is %s', (text, whole) => {
    expect(wholeName(parseReference(text))).toBe(whole);
  });

  test('has a repository without tag and digest', () => {
    expect(repositoryOf(parseReference(`q.io/a:1@sha256:${hex}`))).toBe('q.io/a');
  });

  test.each([
    '',
    ':tag',
    'Busybox',
    'busybox:',
    'busybox:a b',
    'busybox@',
    'busybox@sha256:abc',
    `busybox@sha512:${hex}`,
    'a//b',
    '/a',
    'a/',
    '../a',
    'a/../b',
    '-a',
    'a..b',
    'q.io/-a',
    hex,
    `${'a/'.repeat(130)}b`,
    `busybox:${'t'.repeat(129)}`,
  ])('is not %j', (text) => {
    expect(() => parseReference(text)).toThrow(ImageStoreError);
  });
});

test('parts of names', () => {
  expect(['library/app', 'a/b_c', '../a', 'A', '', 'a//b'].map(isRepositoryPath)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(['1.2-x', '_', '.a', '', 'a/b'].map(isTag)).toEqual([true, true, false, false, false]);
});
