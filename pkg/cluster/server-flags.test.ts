import { expect, test } from 'vitest';
import { runtimeConfigOf, serverFlagValues } from './server-flags.ts';

const configOf = (text: string) => runtimeConfigOf(serverFlagValues({ 'kube-apiserver': { 'runtime-config': text } }));

test('--runtime-config says of versions whether they are served', () => {
  expect(configOf('api/all=false,storagemigration.k8s.io/v1beta1,v1=true,apps/v1/daemonsets=false')).toEqual({
    'api/all': false,
    'storagemigration.k8s.io/v1beta1': true,
    v1: true,
    'apps/v1/daemonsets': false,
  });
  expect(configOf('')).toEqual({});
});

test.each(['apps', 'apps/v1=maybe', 'api/most', '__proto__=true', 'apps/v1/x/y', '=true'])('%j is refused', (text) => {
  expect(() => configOf(text)).toThrow('is not a version with =true or =false');
});
