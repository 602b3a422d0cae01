import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createLogger } from './logger.ts';

function lines(options: { format?: 'json' | 'text'; level?: 'debug' | 'warn' }) {
  const out: string[] = [];
  const log = createLogger({ write: (line) => out.push(line), clock: new VirtualClock(), ...options });
  return { out, log };
}

test('text lines hold the time, the level, the message and quoted fields', () => {
  const { out, log } = lines({});
  log
    .with({ pod: 'default/web' })
    .info('Started the container', { image: 'a b', count: 2, error: new Error('no "luck"\nat all') });
  log.debug('Not shown');
  expect(out).toEqual([
    '2026-01-01T00:00:00.000Z INFO  Started the container pod=default/web image="a b" count=2 error="no \\"luck\\"\\nat all"\n',
  ]);
});

test('JSON lines are one object each, whatever they hold', () => {
  const { out, log } = lines({ format: 'json', level: 'warn' });
  const circle: { self?: unknown } = {};
  circle.self = circle;
  log.info('Not shown');
  log.warn('Odd value', { big: 5n, text: 'a\nb' });
  log.error('Circle', { circle });
  expect(out[0]).toBe(
    '{"time":"2026-01-01T00:00:00.000000Z","level":"warn","message":"Odd value","big":"5","text":"a\\nb"}\n',
  );
  expect(out[1]).toContain('cannot be written');
});
