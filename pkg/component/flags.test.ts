import { expect, test } from 'vitest';
import { duration, type FlagTable, helpText, integer, list, parseFlags, text, toggle } from './flags.ts';

const table = {
  name: text({ help: 'Name of it.', fallback: 'dev', short: 'n', placeholder: 'name' }),
  mode: text({ help: 'How.', fallback: 'a', allowed: ['a', 'b'] }),
  nodes: integer({ help: 'How many.', fallback: 1, min: 1, max: 100 }),
  wait: duration({ help: 'How long.', fallback: 60_000 }),
  detach: toggle({ help: 'Whether.' }),
  all: toggle({ help: 'All.', short: 'A', hidden: true }),
  watch: toggle({ help: 'Watch.', short: 'w', hidden: true }),
  'etcd-servers': list({ help: 'Where.' }),
} satisfies FlagTable;

const defaults = {
  name: 'dev',
  mode: 'a',
  nodes: 1,
  wait: 60_000,
  detach: false,
  all: false,
  watch: false,
  'etcd-servers': [],
};

test.each<[string, string[], object]>([
  ['nothing given', [], {}],
  ['value after a space', ['--name', 'x'], { name: 'x' }],
  ['value after an equals sign', ['--name=x=y'], { name: 'x=y' }],
  ['short name', ['-n', 'x'], { name: 'x' }],
  ['short name with its value', ['-nx'], { name: 'x' }],
  ['short name with an equals sign', ['-n=x'], { name: 'x' }],
  ['switch', ['--detach'], { detach: true }],
  ['short switches together', ['-Aw'], { all: true, watch: true }],
  ['short switches with a value after them', ['-Awn', 'x'], { all: true, watch: true, name: 'x' }],
  ['short switches with a value at their end', ['-Anx'], { all: true, name: 'x' }],
  ['switch turned off', ['--detach=false'], { detach: false }],
  ['list in parts', ['--etcd-servers=a,b', '--etcd-servers', 'c'], { 'etcd-servers': ['a', 'b', 'c'] }],
  ['duration', ['--wait', '1m30s'], { wait: 90_000 }],
  ['value that looks like a flag', ['--name', '--x'], { name: '--x' }],
])('reads %s', (_, args, expected) => {
  expect(parseFlags(table, args)).toMatchObject({ ok: true, values: { ...defaults, ...expected }, rest: [] });
});

test.each<[string[], string]>([
  [['--nam=x'], 'unknown flag: --nam (did you mean --name?)'],
  [['--zzzzzzzz'], 'unknown flag: --zzzzzzzz'],
  [['--constructor'], 'unknown flag: --constructor'],
  [['-q'], 'unknown flag: -q'],
  [['-Aq'], 'unknown flag: -q'],
  [['--name'], 'flag needs a value: --name name'],
  [['--nodes', '0'], 'invalid value "0" for --nodes: must be a whole number from 1 to 100'],
  [['--nodes=two'], 'invalid value "two" for --nodes: must be a whole number from 1 to 100'],
  [['--mode=c'], 'invalid value "c" for --mode: must be one of a, b'],
  [['--wait', '5'], 'invalid value "5" for --wait: must be a duration such as 500ms, 30s or 1m30s'],
  [['--detach=perhaps'], 'invalid value "perhaps" for --detach: must be true or false'],
])('refuses %j', (args, message) => {
  expect(parseFlags(table, args)).toMatchObject({ ok: false, message });
});

test('what is not a flag is kept in order, and all of it after two dashes', () => {
  expect(parseFlags(table, ['a', '--detach', 'b', '--', '--name', 'c'])).toMatchObject({
    rest: ['a', 'b', '--name', 'c'],
  });
});

test('the command line comes before the configuration file, and that before the defaults', () => {
  const config = { kind: 'X', name: 'file', etcdServers: ['a', 'b'], nodes: 3 };
  const result = parseFlags(table, ['--name=line'], { config });
  expect(result).toMatchObject({ values: { ...defaults, name: 'line', 'etcd-servers': ['a', 'b'], nodes: 3 } });
  expect(result.ok && [...result.given]).toEqual(['name', 'etcd-servers', 'nodes']);
  expect(parseFlags(table, [], { config: { nodez: 1 } })).toEqual({
    ok: false,
    message: 'nodez: unknown field',
  });
});

test('help lists the flags with their defaults', () => {
  expect(helpText(table, { usage: 'it [flags]', summary: 'Does it.' })).toBe(
    [
      'Does it.',
      '',
      'Usage: it [flags]',
      '',
      'Flags:',
      '  -n, --name name         Name of it. (default dev)',
      '      --mode a|b          How. (default a)',
      '      --nodes number      How many. (default 1)',
      '      --wait duration     How long. (default 60s)',
      '      --detach            Whether.',
      '      --etcd-servers a,b  Where.',
      '  -h, --help              Print this text.',
      '',
    ].join('\n'),
  );
});

test('help does not show a fallback that stands for "not given", nor a refusal the empty word (fault 49)', () => {
  const odd = {
    replicas: integer({ help: 'How many.', fallback: Number.MIN_SAFE_INTEGER, fallbackShown: false }),
    output: text({ help: 'Form.', allowed: ['', 'json'], placeholder: 'json' }),
  };
  expect(helpText(odd, { usage: 'it', summary: 'Does it.' })).toContain('--replicas number  How many.\n');
  expect(parseFlags(odd, ['--output=xml'])).toMatchObject({
    message: 'invalid value "xml" for --output: must be json',
  });
});
