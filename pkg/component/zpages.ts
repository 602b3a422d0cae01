/**
 * What a component says of itself to people: `/statusz` (since when it runs, what it is, where else to look) and `/flagz` (its flags as they are in
 * force), as text or, where the request accepts it, as objects of `config.k8s.io`. Pure.
 * Source: component-base `zpages/statusz`, `zpages/flagz`.
 */
import { kubernetesVersion } from '#pkg/api/facts.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';

/** A component and its process. */
export interface AboutComponent {
  /** Such as `kube-scheduler`. */
  readonly name: string;
  readonly startedMs: number;
  /** Its flags as they are in force. None of them is a secret. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Its configuration as `/configz` gives it, by the name under which upstream registers it. */
  readonly config?: Readonly<Record<string, object>>;
}

/** An answer: text, or JSON. */
export interface AboutAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

const [major = '1', minor = '0'] = kubernetesVersion.split('.');
const version = `${major}.${minor}`;

const groupName = 'config.k8s.io';
const versions: ReadonlySet<string> = new Set(['v1alpha1', 'v1beta1']);

/** The version of the object that is asked for, `text`, or undefined for what there is not. */
function formOf(accept: string, kind: string): string | undefined {
  const ranges = accept.split(',').map((range) => range.trim());
  for (const range of ranges) {
    const [type = '', ...rest] = range.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => splitOnce(part)));
    if (type === 'application/json') {
      const asked = parameters.get('v') ?? '';
      if (parameters.get('g') === groupName && parameters.get('as') === kind && versions.has(asked)) return asked;
      continue;
    }
    if (['', '*/*', 'text/*', 'text/plain'].includes(type)) return 'text';
  }
  return undefined;
}

function splitOnce(part: string): readonly [string, string] {
  const [name = '', value = ''] = part.split('=', 2);
  return [name, value];
}

function answer(
  accept: string,
  { kind, name, fields, text }: { kind: string; name: string; fields: object; text: string },
): AboutAnswer {
  const form = formOf(accept, kind);
  const plain = 'text/plain; charset=utf-8';
  if (form === 'text')
    return { status: 200, type: plain, text: `\n${name} ${kind.toLowerCase()}\n${warning}\n\n${text}` };
  if (form === undefined) {
    const types = `application/json;v=v1beta1;g=${groupName};as=${kind}, text/plain`;
    return { status: 406, type: plain, text: `only the following media types are accepted: ${types}\n` };
  }
  const object = { kind, apiVersion: `${groupName}/${form}`, metadata: { name }, ...fields };
  return { status: 200, type: 'application/json', text: JSON.stringify(object) };
}

/** `/statusz`. `paths` are the pages that there are. */
export function statusz(
  { name, startedMs }: AboutComponent,
  { accept, nowMs, paths }: { readonly accept: string; readonly nowMs: number; readonly paths: readonly string[] },
): AboutAnswer {
  const seconds = Math.max(0, Math.floor((nowMs - startedMs) / 1_000));
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const up = `${Math.floor(seconds / 3_600)} hr ${two((seconds % 3_600) / 60)} min ${two(seconds % 60)} sec`;
  const lines = [
    `Started: ${new Date(startedMs).toUTCString()}`,
    `Up: ${up}`,
    `Binary version: ${version}`,
    `Emulation version: ${version}`,
    `Paths: ${paths.join(' ')}`,
  ];
  const fields = {
    startTime: formatTimestamp(startedMs),
    uptimeSeconds: seconds,
    goVersion: '',
    binaryVersion: version,
    emulationVersion: version,
    paths,
  };
  return answer(accept, { kind: 'Statusz', name, fields, text: `${lines.join('\n')}\n` });
}

/** `/flagz`. */
export function flagz({ name, flags }: AboutComponent, { accept }: { readonly accept: string }): AboutAnswer {
  const named = Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1));
  const values = named.map(([flag, value]) => [flag, Array.isArray(value) ? value.join(',') : String(value)] as const);
  const text = values.map(([flag, value]) => `${flag}=${value}\n`).join('');
  return answer(accept, { kind: 'Flagz', name, fields: { flags: Object.fromEntries(values) }, text });
}
