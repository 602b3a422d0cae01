import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

const defaults = {
  kubeconfig: undefined,
  store: 'lmdb',
  only: [''],
  profile: undefined,
  audit: false,
  against: undefined,
  isInTurns: false,
  pairs: 9,
  longPairs: 3,
  failUnder: undefined,
  starts: 0,
  peakPods: 0,
  sizes: { rowMs: 3_000, nodes: 5_000, pods: 5_000 },
};

test.each([
  [[], {}],
  [
    ['--seconds', '0.5', '--only', 'get', '--only', 'list'],
    { only: ['get', 'list'], sizes: { ...defaults.sizes, rowMs: 500 } },
  ],
  [['--audit'], { audit: true }],
  [['--ceiling'], { isInTurns: true, sizes: { ...defaults.sizes, rowMs: 1_000 } }],
  [
    ['--against', 'HEAD', '--fail-under', '0.97'],
    { against: 'HEAD', isInTurns: true, failUnder: 0.97, starts: 9, sizes: { ...defaults.sizes, rowMs: 1_000 } },
  ],
  [
    ['--against', 'HEAD', '--pairs', '4', '--starts', '2', '--kubeconfig', 'other'],
    {
      against: 'HEAD',
      isInTurns: true,
      pairs: 4,
      starts: 2,
      kubeconfig: 'other',
      sizes: { ...defaults.sizes, rowMs: 1_000 },
    },
  ],
  [['--peak-pods', '30000'], { starts: 1, peakPods: 30_000 }],
])('flags %j', (args, expected) => {
  expect(readOptions(args)).toEqual({ ...defaults, ...expected });
});

test('help is wanted', () => {
  expect(readOptions(['--help'])).toBeUndefined();
});

test.each([
  [['--seconds', '0'], 'Cannot measure as --seconds, --nodes and --pods must be numbers above 0'],
  [['--pods', 'x'], 'Cannot measure as --seconds, --nodes and --pods must be numbers above 0'],
  [['--pairs', '0'], 'Cannot measure as --pairs must be a whole number of at least 1: 0'],
  [['--long-pairs', '1.5'], 'Cannot measure as --long-pairs must be a whole number of at least 1: 1.5'],
  [['--starts', '-1'], "Option '--starts' argument is ambiguous"],
  [['--starts=-1'], 'Cannot measure as --starts must be a whole number of at least 0: -1'],
  [['--against', 'HEAD', '--fail-under', 'slow'], 'Cannot measure as --fail-under must be a number above 0'],
  [['--fail-under', '0.97'], 'Cannot measure as --fail-under needs --against'],
  [
    ['--kubeconfig', 'x', '--starts', '3'],
    'Cannot measure as --starts is about clusters of its own, not that of --kubeconfig',
  ],
  [['--nonsense'], "Unknown option '--nonsense'"],
])('flags %j are refused', (args, message) => {
  expect(() => readOptions(args)).toThrow(message);
});
