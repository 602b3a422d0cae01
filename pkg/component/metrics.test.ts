import { expect, test } from 'vitest';
import { renderMetrics } from './metrics.ts';

test('families are text that Prometheus reads', async () => {
  const { text, contentType } = await renderMetrics([
    { name: 'a_total', help: 'As\nof it', type: 'counter', samples: [{ labels: { x: 'q"\n' }, value: 3 }] },
    {
      name: 'b',
      help: 'Bs',
      type: 'histogram',
      samples: [
        { suffix: '_bucket', labels: { le: '+Inf' }, value: 1 },
        { suffix: '_sum', labels: {}, value: 0.5 },
        { suffix: '_count', labels: {}, value: 1 },
      ],
    },
    { name: 'c', help: 'None yet', type: 'gauge', samples: [] },
  ]);
  expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(text.trim().split('\n').filter(Boolean)).toEqual([
    '# HELP a_total As\\nof it',
    '# TYPE a_total counter',
    'a_total{x="q\\"\\n"} 3',
    '# HELP b Bs',
    '# TYPE b histogram',
    'b_bucket{le="+Inf"} 1',
    'b_sum 0.5',
    'b_count 1',
    '# HELP c None yet',
    '# TYPE c gauge',
  ]);
});
