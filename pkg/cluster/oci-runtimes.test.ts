/** What a flag says of OCI runtimes, and whom a handler means. */
import { expect, test } from 'vitest';
import { ociRuntimeOf } from '#pkg/kubelet/runtime/container/oci-runtimes.ts';
import { handlerOfProgram, ociProgramsOf, ociRuntimesProblem } from './oci-runtimes.ts';

test.each(['runc', '/opt/bin/crun', 'runc,crun', 'runc,/opt/my-runtime_1.2'])('%s names programs', (value) => {
  expect(ociRuntimesProblem(value)).toBeUndefined();
});

test.each([
  ['', 'must be the name'],
  ['bin/runc', 'must be the name'],
  ['runc,', 'must be the name'],
  ['runc --debug', 'must be the name'],
  ['/opt/', 'must be the name'],
  ['runc,/opt/runc', 'only, as handlers are told apart'],
])('%j is refused', (value, problem) => {
  expect(ociRuntimesProblem(value)).toContain(problem);
});

test('handlers are the last parts of paths', () => {
  expect(ociProgramsOf('runc,/opt/bin/crun').map(handlerOfProgram)).toEqual(['runc', 'crun']);
});

test('a handler without a program is refused, and pods without one have the first', () => {
  const runtimes = { first: '/usr/sbin/runc', byHandler: { crun: '/usr/bin/crun' } };
  expect(ociRuntimeOf(runtimes, undefined)).toBe('/usr/sbin/runc');
  expect(ociRuntimeOf(runtimes, 'crun')).toBe('/usr/bin/crun');
  expect(() => ociRuntimeOf(runtimes, 'constructor')).toThrow('no runtime for "constructor" is configured');
});
