/** Which requests are answered, as the documentation says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DockerError } from './docker-error.ts';
import { findRoute, routes } from './routes.ts';

test('the documentation has every endpoint, and no others', () => {
  const text = readFileSync(new URL('../../docs/docker-socket.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/`((?:GET|HEAD|POST|PUT|DELETE) \/[^`]*)`/g)].map(([, one]) => one);
  expect(documented.toSorted()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted());
});

test.each([
  ['GET', '/images/docker.io/library/busybox:1/json', '/images/{image}/json', { image: 'docker.io/library/busybox:1' }],
  ['GET', '/images/json', '/images/json', {}],
  ['POST', '/containers/create', '/containers/create', {}],
  ['POST', '/containers/web%201/start', '/containers/{id}/start', { id: 'web 1' }],
  ['DELETE', '/images/busybox', '/images/{image}', { image: 'busybox' }],
] as const)('%s %s is found', (method, path, expected, names) => {
  const found = findRoute(method, path);
  expect(found.route.path).toBe(expected);
  expect(found.names).toEqual(names);
});

test.each([
  ['GET', '/nothing', 404],
  ['PATCH', '/containers/json', 404],
  ['GET', '/containers/%zz/json', 400],
])('%s %s is refused', (method, path, status) => {
  let refusal: unknown;
  try {
    findRoute(method, path);
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(DockerError);
  expect(refusal).toMatchObject({ status });
});
