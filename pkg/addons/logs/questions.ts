/** What may be asked of the collector: a query as in a URL, to what is looked for. Pure. */
import type { LineQuery, StoredLine } from './log-store.ts';

const limitDefault = 1_000;
const limitMax = 100_000;
const fields = ['container', 'contains', 'namespace', 'node', 'pod'] as const;

/** A question, and the form of its answer. */
export interface Question {
  readonly query: LineQuery;
  readonly format: 'json' | 'text';
}

/** Reads a question; a text says in one line what is wrong with it. */
export function questionOf(parameters: URLSearchParams): Question | string {
  const known: readonly string[] = [...fields, 'format', 'limit', 'since'];
  const unknown = [...parameters.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return `unknown parameter ${JSON.stringify(unknown)}: there are ${known.join(', ')}`;
  const format = parameters.get('format') ?? 'text';
  if (format !== 'json' && format !== 'text') return `format must be json or text: ${JSON.stringify(format)}`;
  const limit = Number(parameters.get('limit') ?? limitDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax)
    return `limit must be a number from 1 to ${limitMax}: ${JSON.stringify(parameters.get('limit'))}`;
  const since = parameters.get('since');
  const sinceMs = since === null ? undefined : Date.parse(since);
  if (Number.isNaN(sinceMs)) return `since must be an RFC 3339 time: ${JSON.stringify(since)}`;
  const given = fields.flatMap((name) => {
    const value = parameters.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return { format, query: { ...Object.fromEntries(given), ...(sinceMs === undefined ? {} : { sinceMs }), limit } };
}

/** Lines in a form. */
export function answerText(lines: readonly StoredLine[], format: Question['format']): string {
  const text = ({ time, namespace, pod, container, text: said }: StoredLine): string =>
    `${time} ${namespace}/${pod}/${container} ${said}`;
  return lines.map((line) => `${format === 'json' ? JSON.stringify(line) : text(line)}\n`).join('');
}
