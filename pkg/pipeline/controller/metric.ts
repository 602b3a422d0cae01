/** Numbers that pods say of themselves, in Prometheus' text format. */
import type { MetricRule } from '../model/types.ts';

const answerMs = 2_000;
const answerBytesMax = 4 << 20;

/** What a rule gives over the pods at these addresses; undefined where none of them says it. */
export async function readMetric(rule: MetricRule, addresses: readonly string[]): Promise<number | undefined> {
  const texts = await Promise.all(addresses.map((address) => scrape(rule, address)));
  return metricOf(
    rule,
    texts.filter((text) => text !== undefined),
  );
}

async function scrape({ port, path = '/metrics' }: MetricRule, address: string): Promise<string | undefined> {
  try {
    const host = address.includes(':') ? `[${address}]` : address;
    const answer = await fetch(`http://${host}:${port}${path}`, {
      signal: AbortSignal.timeout(answerMs),
      redirect: 'error',
    });
    if (!answer.ok || answer.body === null) return undefined;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of answer.body) {
      bytes += part.length;
      if (bytes > answerBytesMax) return undefined;
      parts.push(part);
    }
    return Buffer.concat(parts).toString('utf8');
  } catch {
    return undefined;
  }
}

/** The sum of the rule's samples in these texts, divided by that of `per` where it has one (0 while that is 0). */
export function metricOf({ name, labels = {}, per }: MetricRule, texts: readonly string[]): number | undefined {
  const samples = texts.flatMap((text) => text.split('\n').map(sampleOf));
  const sumOf = (metric: string, wanted: Readonly<Record<string, string>>): number | undefined => {
    const found = samples.filter(
      (sample) =>
        sample?.name === metric && Object.entries(wanted).every(([key, value]) => sample.labels.get(key) === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + (sample?.value ?? 0), 0);
  };
  const sum = sumOf(name, labels);
  if (per === undefined) return sum;
  const whole = sumOf(per, {});
  if (whole === undefined) return undefined;
  // A counter with labels is not there before it counts.
  return whole === 0 ? 0 : (sum ?? 0) / whole;
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Source: Prometheus' text exposition format, version 0.0.4. */
const samplePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$/;
const labelPattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function sampleOf(line: string): Sample | undefined {
  const match = samplePattern.exec(line);
  if (match === null) return undefined;
  const [, name = '', labels = '', text = ''] = match;
  const value = Number(text.replace('Inf', 'Infinity'));
  if (Number.isNaN(value)) return undefined;
  const pairs = [...labels.matchAll(labelPattern)].map(([, key = '', said = '']) => [key, unescaped(said)] as const);
  return { name, labels: new Map(pairs), value };
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}
