/** Where clusters are kept, as the environment says it. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clustersHome, systemWorld } from './world.ts';

test.each([
  ['a folder', { COXSWAIN_HOME: '/srv/clusters' }, '/srv/clusters'],
  ['nothing', {}, join(homedir(), '.coxswain')],
  [
    'an empty text, which is nothing and not the folder that one is in',
    { COXSWAIN_HOME: '' },
    join(homedir(), '.coxswain'),
  ],
])('COXSWAIN_HOME says %s', (_, environment, folder) => {
  expect(clustersHome({ ...systemWorld(), environment })).toBe(folder);
});
