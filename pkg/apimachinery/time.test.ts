import { expect, test } from 'vitest';
import {
  formatDuration,
  humanAge,
  humanDuration,
  normalizeMicroTime,
  normalizeTime,
  parseDuration,
  parseTime,
} from './time.ts';
import { microTimeLayout, timeError } from './time-error.ts';

const [s, m, h, d] = [1000, 60_000, 3_600_000, 86_400_000];

test.each([
  [-2 * s, '<invalid>'],
  [-1 * s, '0s'],
  [0, '0s'],
  [5 * s, '5s'],
  [119 * s, '119s'],
  [2 * m, '2m'],
  [3 * m + 10 * s, '3m10s'],
  [12 * m + 5 * s, '12m'],
  [179 * m, '179m'],
  [4 * h + 12 * m, '4h12m'],
  [5 * h, '5h'],
  [47 * h, '47h'],
  [2 * d + 3 * h, '2d3h'],
  [7 * d, '7d'],
  [45 * d, '45d'],
  [729 * d, '729d'],
  [(3 * 365 + 20) * d, '3y20d'],
  [3 * 365 * d, '3y'],
  [9 * 365 * d, '9y'],
])('%d ms show as %s', (durationMs, shown) => {
  expect(humanDuration(durationMs)).toBe(shown);
});

test('ages are relative to now', () => {
  expect(humanAge('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1, 0, 0, 42))).toBe('42s');
  expect(humanAge(undefined, 0)).toBe('<unknown>');
});

test.each([
  ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
  ['2026-01-02T03:04:05.999Z', '2026-01-02T03:04:05Z'],
  ['2026-01-02T03:04:05+02:00', '2026-01-02T01:04:05Z'],
  ['2026-12-31T23:04:05-02:00', '2027-01-01T01:04:05Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
  ['2026-02-29T00:00:00Z', undefined],
  ['2026-13-01T00:00:00Z', undefined],
  ['2026-01-01 00:00:00Z', undefined],
  ['2026-01-01T00:00:00', undefined],
  ['today', undefined],
])('the time %s is normalised to %s', (text, normal) => {
  expect(normalizeTime(text)).toBe(normal);
});

test.each([2024, 2026, 2100])('every day of the year %d is as it is, and no other', (year) => {
  for (let month = 1; month <= 12; month++) {
    for (let day = 1; day <= 31; day++) {
      const date = [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
      const isDay = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
      const [time, microTime] = [`${date}T03:04:05Z`, `${date}T03:04:05.123456Z`];
      expect(normalizeTime(time)).toBe(isDay ? time : undefined);
      expect(normalizeMicroTime(microTime)).toBe(isDay ? microTime : undefined);
    }
  }
});

test.each([
  ['2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05.123456Z'],
  ['2026-01-02T03:04:05.123456+02:00', '2026-01-02T01:04:05.123456Z'],
  ['2026-01-02T03:04:05Z', undefined],
  ['2026-01-02T03:04:05.1Z', undefined],
  ['2026-01-02T03:04:05.123456789Z', undefined],
])('the micro time %s is normalised to %s', (text, normal) => {
  expect(normalizeMicroTime(text)).toBe(normal);
});

test.each([
  ['now', 'as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'],
  ['', 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'],
  ['2026-01-01', 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'],
  ['2026-01-01 00:00:00Z', 'as "2006-01-02T15:04:05Z07:00": cannot parse " 00:00:00Z" as "T"'],
  ['2026-1-01T00:00:00Z', 'as "2006-01-02T15:04:05Z07:00": cannot parse "1-01T00:00:00Z" as "01"'],
  ['2026-01-01T00:00:00', 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'],
  ['2026-13-01T00:00:00Z', ': month out of range'],
  ['2026-01-01T24:00:00Z', ': hour out of range'],
  ['2026-01-01T00:00:60Z', ': second out of range'],
  ['2026-02-30T00:00:00Z', ': day out of range'],
  ['2026-01-01T00:00:00Zulu', ': extra text: "ulu"'],
])('%j is no time, as Go words it', (text, why) => {
  expect(timeError(text)).toBe(`parsing time ${JSON.stringify(text)}${why.startsWith(':') ? '' : ' '}${why}`);
});

test('a micro time without its six digits is none', () => {
  const start = 'parsing time "2026-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00"';
  expect(timeError('2026-01-01T00:00:00Z', microTimeLayout)).toBe(`${start}: cannot parse "Z" as ".000000"`);
});

test('times are read to the millisecond', () => {
  expect(parseTime('2026-01-02T03:04:05.1234Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 123));
  expect(parseTime('nonsense')).toBe(undefined);
});

test.each([
  ['0', '0s'],
  ['1h30m', '1h30m0s'],
  ['90s', '1m30s'],
  ['1.5s', '1.5s'],
  ['250ms', '250ms'],
  ['1us', '1µs'],
  ['10ns', '10ns'],
  ['-1m', '-1m0s'],
  ['8760h', '8760h0m0s'],
])('the duration %s prints as %s', (text, printed) => {
  expect(formatDuration(parseDuration(text)!)).toBe(printed);
});

test.each([[''], ['1'], ['1d'], ['h'], ['1h 2m'], ['--1s']])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBe(undefined);
});
