import { expect, test } from 'vitest';
import { parseSchedule } from './schedule.ts';
import { formatInZone } from './zone-time.ts';

/** The next times after one, as texts in the zone. */
function nextOf(text: string, after: string, { zone = 'UTC', count = 1 } = {}): readonly (string | undefined)[] {
  const parsed = parseSchedule(text, zone);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const times: (string | undefined)[] = [];
  let ms: number | undefined = Date.parse(after);
  for (let i = 0; i < count && ms !== undefined; i++) {
    ms = parsed.schedule.next(ms);
    times.push(ms === undefined ? undefined : formatInZone(ms, zone));
  }
  return times;
}

test.each([
  ['*/15 * * * *', '2026-07-09T14:45:00Z', '2026-07-09T15:00:00Z'],
  ['*/15 * * * *', '2026-07-09T14:59:59Z', '2026-07-09T15:00:00Z'],
  ['20-35/15 * * * *', '2026-07-09T15:45:00Z', '2026-07-09T16:20:00Z'],
  ['5/20 * * * *', '2026-07-09T15:05:00Z', '2026-07-09T15:25:00Z'],
  ['30 14 * * *', '2026-12-31T14:30:00Z', '2027-01-01T14:30:00Z'],
  ['0 0 * feb mon', '2026-07-09T00:00:00Z', '2027-02-01T00:00:00Z'],
  ['0 0 29 2 ?', '2026-07-09T00:00:00Z', '2028-02-29T00:00:00Z'],
  // Both days limited: either is enough.
  ['0 0 1,15 * Sun', '2026-07-15T00:00:00Z', '2026-07-19T00:00:00Z'],
  ['0 0 * * Mon', '2026-07-15T00:00:00Z', '2026-07-20T00:00:00Z'],
  ['0 0 */10 * Sun', '2026-07-15T00:00:00Z', '2026-07-19T00:00:00Z'],
  // A star with step one still leaves the day open.
  ['0 0 1 * */1', '2026-07-15T00:00:00Z', '2026-08-01T00:00:00Z'],
  ['@hourly', '2026-07-09T14:45:00Z', '2026-07-09T15:00:00Z'],
  ['@daily', '2026-07-09T14:45:00Z', '2026-07-10T00:00:00Z'],
  ['@weekly', '2026-07-09T14:45:00Z', '2026-07-12T00:00:00Z'],
  ['@monthly', '2026-07-09T14:45:00Z', '2026-08-01T00:00:00Z'],
  ['@yearly', '2026-07-09T14:45:00Z', '2027-01-01T00:00:00Z'],
  ['@every 1h30m', '2026-07-09T14:45:10.500Z', '2026-07-09T16:15:10Z'],
  ['@every 10ms', '2026-07-09T14:45:10Z', '2026-07-09T14:45:11Z'],
])('%s after %s is at %s', (text, after, next) => {
  expect(nextOf(text, after)).toEqual([next]);
});

test.each(['0 0 30 2 *', '0 0 31 4,6 *', ', * * * *'])('%s is never', (text) => {
  expect(nextOf(text, '2026-07-09T00:00:00Z')).toEqual([undefined]);
});

test('in a zone an hour that is left out is not caught up, and one that comes twice counts twice', () => {
  const berlin = { zone: 'Europe/Berlin', count: 2 };
  expect(nextOf('30 2 * * *', '2026-03-28T00:00:00Z', berlin)).toEqual([
    '2026-03-28T02:30:00+01:00',
    '2026-03-30T02:30:00+02:00',
  ]);
  expect(nextOf('30 2 25 10 *', '2026-10-24T00:00:00Z', berlin)).toEqual([
    '2026-10-25T02:30:00+02:00',
    '2026-10-25T02:30:00+01:00',
  ]);
  expect(nextOf('0 9 * * *', '2026-07-09T00:00:00Z', { zone: 'Asia/Kolkata' })).toEqual(['2026-07-09T09:00:00+05:30']);
  expect(nextOf('0 0 * * *', '2026-09-05T12:00:00Z', { zone: 'America/Santiago', count: 2 })).toEqual([
    '2026-09-07T00:00:00-03:00',
    '2026-09-08T00:00:00-03:00',
  ]);
  expect(nextOf('TZ=Asia/Tokyo 0 9 * * *', '2026-07-09T12:00:00Z')).toEqual(['2026-07-10T00:00:00Z']);
});

test.each([
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['5 j * * *', 'failed to parse int from j: strconv.Atoi: parsing "j": invalid syntax'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['@often', 'unrecognized descriptor: @often'],
  ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
])('%s is refused: %s', (text, problem) => {
  expect(parseSchedule(text)).toEqual({ problem });
});
