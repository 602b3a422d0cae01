import { expect, test } from 'vitest';
import { metricOf } from './metric.ts';

const rule = { port: 1, name: 'failed', max: 0 };
const pod =
  '# HELP failed x\n# TYPE failed counter\nfailed{path="/a",code="500"} 2\nfailed{path="/\\"b\\"",code="503"} 3 1700000000\nall 20\n';

test.each([
  ['samples of all labels and pods are added', rule, [pod, 'failed 4\n'], 9],
  ['labels choose among them', { ...rule, labels: { code: '503', path: '/"b"' } }, [pod], 3],
  ['a share of another metric', { ...rule, per: 'all' }, [pod], 0.25],
  ['a share of nothing is nothing', { ...rule, per: 'all' }, ['all 0\n'], 0],
  ['a counter with labels that has not counted yet', { ...rule, per: 'all' }, ['all 7\n'], 0],
  ['what no pod says is not known', rule, ['other 1\n'], undefined],
  ['nor is a share of it', { ...rule, per: 'other' }, [pod], undefined],
  ['what is no number is not there', rule, ['failed NaN\nfailed x\nfailed{\n'], undefined],
  ['infinity is a number', rule, ['failed +Inf\n'], Number.POSITIVE_INFINITY],
  ['no pods', rule, [], undefined],
])('%s', (_, given, texts, value) => {
  expect(metricOf(given, texts)).toBe(value);
});
