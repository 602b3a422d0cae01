import { expect, test } from 'vitest';
import { configProblem } from './config-check.ts';
import { duration, integer, list, text, toggle } from './flags.ts';

const table = {
  'log-level': text({ help: 'Level.', fallback: 'info', allowed: ['debug', 'info'] }),
  'data-dir': text({ help: 'Folder.' }),
  'etcd-servers': list({ help: 'Members.' }),
  port: integer({ help: 'Port.', fallback: 1, max: 65_535 }),
  'leader-elect': toggle({ help: 'Elect.' }),
  wait: duration({ help: 'Wait.', fallback: 0 }),
};

test.each<[string, unknown, string | undefined]>([
  [
    'all of it',
    { kind: 'X', apiVersion: 'v1', logLevel: 'info', etcdServers: ['a'], port: 0, leaderElect: true, wait: '1s' },
    undefined,
  ],
  ['a list as on the command line', { etcdServers: 'a,b' }, undefined],
  ['one of several', { logLevel: 'loud' }, 'logLevel: must be one of debug, info'],
  ['a number for a text', { dataDir: 5 }, 'dataDir: must be a string'],
  ['nothing for a text', { dataDir: null }, 'dataDir: must be a string'],
  ['a text for a number', { port: '80' }, 'port: must be a whole number from 0 to 65535'],
  ['too large', { port: 65_536 }, 'port: must be a whole number from 0 to 65535'],
  ['broken', { port: 1.5 }, 'port: must be a whole number from 0 to 65535'],
  ['a text for a switch', { leaderElect: 'yes' }, 'leaderElect: must be true or false'],
  ['an item of a list', { etcdServers: ['a', 2] }, 'etcdServers[1]: must be a string'],
  ['a mapping for a list', { etcdServers: {} }, 'etcdServers: must be a list of strings'],
  ['a number for a duration', { wait: 30 }, 'wait: must be a duration such as 500ms, 30s or 1m30s'],
  ['an unknown field', { colour: 'red' }, 'colour: unknown field'],
  ['a field that is nearly known', { logLevle: 'info' }, 'logLevle: unknown field (did you mean logLevel?)'],
  ['the name on the command line', { 'log-level': 'info' }, 'log-level: unknown field (did you mean logLevel?)'],
  ['a name of the prototype', JSON.parse('{"__proto__": 1}'), '__proto__: unknown field'],
  [
    'several',
    { port: -1, logLevel: 'x', b: 1 },
    'b: unknown field; port: must be a whole number from 0 to 65535; logLevel: must be one of debug, info',
  ],
])('a configuration file with %s', (_, config, problem) => {
  const found = configProblem(table, config);
  expect(found?.split('; ').toSorted()).toEqual(problem?.split('; ').toSorted());
});

test('of many problems it names some', () => {
  const many = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`unknown${index}x`, 1]));
  expect(configProblem(table, many)).toMatch(/^unknown0x: unknown field; .* and 2 more$/);
});
