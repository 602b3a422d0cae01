/** Whether a text is a cron schedule: five fields, or a name such as `@daily`. Source: `robfig/cron` `ParseStandard`. */

interface Range {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const ranges: readonly Range[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: weekdays },
];

const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

/** What is wrong with a schedule; undefined when nothing is. */
export function scheduleProblem(schedule: string): string | undefined {
  // A zone in front is refused elsewhere; what follows it is a schedule all the same.
  const bare = schedule.replace(/^(CRON_)?TZ=\S*\s*/, '');
  if (bare.startsWith('@')) {
    const isKnown = descriptors.includes(bare) || /^@every (\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(bare);
    return isKnown ? undefined : `unrecognized descriptor: ${bare}`;
  }
  const fields = bare.split(/\s+/).filter((field) => field !== '');
  if (fields.length !== ranges.length) {
    return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  }
  for (const [index, field] of fields.entries()) {
    for (const part of field.split(',')) {
      const problem = partProblem(part, ranges[index]!);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function partProblem(part: string, range: Range): string | undefined {
  const [span = '', step, ...more] = part.split('/');
  if (more.length > 0) return `too many slashes: ${part}`;
  if (step !== undefined && !/^\d+$/.test(step)) return notANumber(step);
  if (step !== undefined && Number(step) === 0) return `step of range should be a positive number: ${part}`;
  if (span === '*' || span === '?') return undefined;
  const ends = span.split('-');
  if (ends.length > 2) return `too many hyphens: ${part}`;
  const numbers = ends.map((end) => numberOf(end, range));
  const bad = numbers.indexOf(undefined);
  if (bad >= 0) return notANumber(ends[bad]!);
  const [first = 0, last = first] = numbers as readonly number[];
  if (first < range.min) return `beginning of range (${first}) below minimum (${range.min}): ${part}`;
  if (last > range.max) return `end of range (${last}) above maximum (${range.max}): ${part}`;
  return first > last ? `beginning of range (${first}) beyond end of range (${last}): ${part}` : undefined;
}

function notANumber(text: string): string {
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}

function numberOf(text: string, { names, min }: Range): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + min;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
