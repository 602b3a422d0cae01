import { expect, test } from 'vitest';
import { featureGatesFlag, featuresOf } from './feature-gates.ts';
import { featureTable } from './feature-table.ts';

const switchable = ['DRADeviceTaintRules', 'GangScheduling', 'GenericWorkload', 'HPAScaleToZero', 'WatchList'];

test('unless somebody says so, features are as in 1.36', () => {
  const features = featuresOf(undefined);
  expect(switchable.filter((name) => features.isOn(name))).toEqual(['WatchList']);
  expect(switchable.filter((name) => featureTable.get(name)?.default)).toEqual(['WatchList']);
  const differing = [...featureTable].filter(
    ([name, { default: usual, effect }]) => effect !== 'fixed' && features.isOn(name) !== usual,
  );
  expect(differing).toEqual([]);
});

test.each([
  ['HPAScaleToZero=true', ['HPAScaleToZero', 'WatchList']],
  ['WatchList=false', []],
  ['WatchList=false,WatchList=T', ['WatchList']],
  ['kube:HPAScaleToZero=1, WatchList = false', ['HPAScaleToZero']],
  ['GangScheduling=true,GenericWorkload=true', ['GangScheduling', 'GenericWorkload', 'WatchList']],
  // In the state in which they are here, and what nobody could see.
  ['SidecarContainers=true,EnvFiles=false,StorageNamespaceIndex=false,AllAlpha=false', ['WatchList']],
])('%s switches', (text, on) => {
  const features = featuresOf(text);
  expect(switchable.filter((name) => features.isOn(name))).toEqual(on);
});

test.each([
  ['Teleport=true', 'unrecognized feature gate: Teleport'],
  ['WatchList', 'missing bool value for WatchList'],
  ['WatchList=maybe', 'invalid value of WatchList=maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
  ['SidecarContainers=false', 'cannot set feature gate SidecarContainers to false, feature is locked to true'],
  ['SeparateCacheWatchRPC=true', 'cannot set feature gate SeparateCacheWatchRPC to true, feature is locked to false'],
  ['EnvFiles=true', 'cannot set feature gate EnvFiles to true, as what it switches is not built here'],
  [
    'UserNamespacesSupport=true',
    'cannot set feature gate UserNamespacesSupport to true, as what it switches is not built here',
  ],
  ['PodDeletionCost=false', 'cannot set feature gate PodDeletionCost to false, as what it switches is always on here'],
])('%s is refused', (text, problem) => {
  expect(() => featuresOf(text)).toThrow(`--feature-gates: ${problem}`);
  expect(featureGatesFlag['feature-gates'].parse(text, undefined)).toEqual({ ok: false, message: problem });
});

test('all of a stage are as they would be one by one', () => {
  expect(() => featuresOf('AllAlpha=true')).toThrow(
    /^--feature-gates: cannot set feature gate AllAlpha to true, as what it switches is not built here: \w+, \w+, \w+ and \d+ more$/,
  );
  expect(() => featuresOf('AllBeta=false')).toThrow('cannot set feature gate AllBeta to false, as ');
});

test('what a feature needs has to be on too, whatever comes first', () => {
  expect(() => featuresOf(['GangScheduling=true'])).toThrow(
    '--feature-gates: GangScheduling is enabled, but depends on features that are disabled: [GenericWorkload]',
  );
});

test('each feature is told of with its stage, and whether it is on', () => {
  const [family] = featuresOf('HPAScaleToZero=true').families();
  expect(family).toMatchObject({ name: 'kubernetes_feature_enabled', type: 'gauge' });
  const told = new Map(family!.samples.map(({ labels, value }) => [labels.name, [labels.stage, value]]));
  expect(told.size).toBe(featureTable.size);
  expect(
    ['HPAScaleToZero', 'WatchList', 'SidecarContainers', 'EnvFiles', 'KMSv1'].map((name) => told.get(name)),
  ).toEqual([
    ['ALPHA', 1],
    ['BETA', 1],
    ['', 1],
    ['BETA', 0],
    ['DEPRECATED', 0],
  ]);
});
