/**
 * In which form the client wants its answer. Source: apiserver `endpoints/handlers/negotiation/negotiate.go`; RFC 9110 section 12.5.1.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { notAcceptable } from '#pkg/apimachinery/status-error.ts';

/** The form of an answer. */
export interface Negotiated {
  readonly format: 'json' | 'protobuf' | 'yaml';
  /** What the object is transformed to; `''` for itself. */
  readonly as: '' | 'PartialObjectMetadata' | 'PartialObjectMetadataList' | 'Table';
  /** `v1` or `v1beta1` of meta.k8s.io, for the transformed object. */
  readonly version: string;
  readonly pretty: boolean;
}

const plainJson: Negotiated = { format: 'json', as: '', version: '', pretty: false };

/** Answers to headers met before; clients send few different ones. Beyond the limit nothing is kept. */
const known = new Map<string, Negotiated | undefined>();
const knownMax = 1_000;

/** What can be answered at all. */
export interface NegotiateOptions {
  readonly query: URLSearchParams;
  readonly isWatch: boolean;
  /** Whether there are tables of what is answered. */
  readonly hasTable: boolean;
}

/** Throws NotAcceptable. The query wins over the header in what concerns `pretty`. */
export function negotiate({ headers }: ApiRequest, { query, isWatch, hasTable }: NegotiateOptions): Negotiated {
  const accept = headers.accept;
  const pretty = wantsPretty(query.get('pretty'), headers['user-agent']);
  if (accept === undefined || accept === '' || accept === 'application/json' || accept === '*/*') {
    return pretty ? { ...plainJson, pretty } : plainJson;
  }
  const key = hasTable ? accept : `${accept} `;
  const choice = known.has(key) ? known.get(key) : choose(accept, hasTable);
  if (known.size < knownMax) known.set(key, choice);
  if (choice === undefined)
    throw notAcceptable(onlyAccepted(Object.keys(formats).filter((type) => !type.includes('*'))));
  // Upstream looks at the form of an object first, and then for a stream of such.
  if (isWatch && choice.format === 'yaml') throw notAcceptable(onlyAccepted(streams));
  return pretty ? { ...choice, pretty } : choice;
}

const streams: readonly string[] = [
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];

function onlyAccepted(types: readonly string[]): string {
  return `only the following media types are accepted: ${types.join(', ')}`;
}

/** Source: Go `strconv.ParseBool`. */
const parsesAsTrue: ReadonlySet<string> = new Set(['1', 'T', 'TRUE', 'True', 't', 'true']);

/** People with a browser or curl get indented answers. */
function wantsPretty(query: string | null, agent: string | undefined): boolean {
  if (query !== null && query !== '') return parsesAsTrue.has(query);
  return agent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(agent);
}

interface Clause {
  readonly media: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** What a client accepts, the most wanted first. A stable sort: what it names first comes first among equals, but for wildcards. */
function clausesOf(accept: string): readonly Clause[] {
  return accept
    .split(',')
    .map(parseClause)
    .filter(({ quality }) => quality !== 0)
    .sort(byPreference);
}

/** The first of the media types that a client accepts most; undefined where it accepts none of them. Who says nothing accepts all. */
export function acceptedOf<T extends string>(accept: string | undefined, offered: readonly T[]): T | undefined {
  for (const { media } of clausesOf(accept || '*/*')) {
    const found = offered.find((type) => media === type || media === '*/*' || media === `${type.split('/')[0]}/*`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function choose(accept: string, hasTable: boolean): Negotiated | undefined {
  for (const { media, parameters } of clausesOf(accept)) {
    const format = formats[media];
    if (format === undefined) continue;
    const as = parameters.get('as') ?? '';
    const version = parameters.get('v') ?? '';
    // Of what objects are transformed to, only metadata has such a form; the next clause may have another.
    if (format === 'protobuf' && as !== '' && (as === 'Table' || version !== 'v1')) continue;
    if (as === 'Table' && !hasTable) continue;
    if (!isTarget(as, parameters.get('g') ?? '', version)) continue;
    return { format, as: as as Negotiated['as'], version, pretty: parameters.get('pretty') === '1' };
  }
  return undefined;
}

function byPreference(a: Clause, b: Clause): number {
  return b.quality - a.quality || wildness(a) - wildness(b);
}

/** How much a clause leaves open: the type, the subtype, or nothing. */
function wildness({ media }: Clause): number {
  if (media.startsWith('*')) return 2;
  return media.endsWith('*') ? 1 : 0;
}

const formats: Readonly<Record<string, Negotiated['format'] | undefined>> = {
  '*/*': 'json',
  'application/*': 'json',
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
};

const targets: ReadonlySet<string> = new Set(['PartialObjectMetadata', 'PartialObjectMetadataList', 'Table']);

function isTarget(as: string, group: string, version: string): boolean {
  if (as === '') return true;
  return targets.has(as) && group === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1');
}

function parseClause(text: string): Clause {
  const [media = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals > 0)
      parameters.set(
        part.slice(0, equals).trim().toLowerCase(),
        part
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
  }
  const quality = Number(parameters.get('q') ?? 1);
  return { media: media.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality };
}
