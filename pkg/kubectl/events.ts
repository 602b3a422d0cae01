/** `events`: what happened, the last of it last. Source: kubectl `cmd/events/events.go`, `event_printer.go`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, integer, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digNumber, digText } from './api.ts';
import { allNamespacesFlag, checkOutput, type KubectlContext, objectForms, printFlags } from './context.ts';
import { getFlags } from './get-flags.ts';
import { watchTarget } from './get-watch.ts';
import { listOf, renderName, renderObject, withoutManagedFields } from './output.ts';
import { humanDuration, TableLayout } from './tables.ts';
import { chunkSizeDefault, listAll, parseTargets } from './targets.ts';

/** The flags of the command. */
export const eventsFlags = {
  ...printFlags,
  'all-namespaces': allNamespacesFlag,
  'chunk-size': integer({ help: 'Events to ask for at a time.', fallback: chunkSizeDefault }),
  for: text({ help: 'Only those of this object.', placeholder: 'type/name' }),
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  types: list({ help: 'Only those of these types.', placeholder: 'type,type' }),
  watch: toggle({ help: 'Go on with what happens.', short: 'w' }),
} satisfies FlagTable;

type Values = FlagValues<typeof eventsFlags> & { readonly namespace: string };

/** Runs the command; resolves to its exit code. */
export async function events(context: KubectlContext, values: Values): Promise<number> {
  if (values.output !== '') checkOutput(values.output, [...objectForms, 'wide']);
  const [mapping] = await context.discovery.resolve('events.v1.');
  const namespace = values.namespace || context.api.namespace;
  const target = { mapping, ...(values['all-namespaces'] ? {} : { namespace }) };
  const fieldSelector = values.for === '' ? '' : await selectorFor(context, values.for);
  const selection = { fieldSelector, allNamespaces: values['all-namespaces'] };
  const { objects, resourceVersion } = await listAll(context, target, selection, values['chunk-size']);
  const types = values.types.map((type) => type.toLowerCase());
  const isWanted = (event: JsonObject): boolean =>
    types.length === 0 || types.includes(digText(event, 'type').toLowerCase());
  const found = objects.filter(isWanted).toSorted((a, b) => lastTime(a).localeCompare(lastTime(b)));
  if (found.length === 0 && !values.watch) {
    if (values['all-namespaces']) context.complain('No events found.');
    else context.complain(`No events found in ${namespace} namespace.`);
    return 0;
  }
  const layout = new TableLayout();
  print(context, values, { found, layout, isFirst: true });
  if (values.watch) {
    const fallbacks = Object.fromEntries(Object.entries(getFlags).map(([name, flag]) => [name, flag.fallback]));
    const watching = { ...fallbacks, ...values, 'field-selector': fieldSelector };
    await watchTarget(context, watching as never, { target, resourceVersion, accept: 'application/json' }, (event) => {
      if (isObject(event.object) && isWanted(event.object))
        print(context, values, { found: [event.object], layout, isFirst: false });
    });
  }
  return 0;
}

async function selectorFor(context: KubectlContext, word: string): Promise<string> {
  if (!/^[^/]+\/[^/]+$/.test(word)) throw new UserError('error: --for must be in resource/name form');
  const [target] = await parseTargets(context, [word], {});
  if (target === undefined) return '';
  return `involvedObject.kind=${target.mapping.kind},involvedObject.name=${target.name}`;
}

function lastTime(event: JsonObject): string {
  return (
    digText(event, 'series', 'lastObservedTime') ||
    digText(event, 'lastTimestamp') ||
    digText(event, 'eventTime') ||
    digText(event, 'firstTimestamp')
  );
}

interface Page {
  readonly found: readonly JsonObject[];
  readonly layout: TableLayout;
  readonly isFirst: boolean;
}

function print(context: KubectlContext, values: Values, { found, layout, isFirst }: Page): void {
  if (values.output === 'name') {
    for (const event of found) context.print(renderName({ ...eventMapping, kind: 'Event' }, event));
    return;
  }
  if (values.output !== '' && values.output !== 'wide') {
    const shown = found.map((event) => (values['show-managed-fields'] ? event : withoutManagedFields(event)));
    context.print(renderObject(values.output, listOf(shown)));
    return;
  }
  const headers = ['LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE'];
  const rows = found.map((event) => rowOf(context, event));
  const named = values['all-namespaces']
    ? rows.map((row, index) => [digText(found[index], 'metadata', 'namespace'), ...row])
    : rows;
  const head = values['all-namespaces'] ? ['NAMESPACE', ...headers] : headers;
  context.print(layout.render(isFirst && !values['no-headers'] ? [head, ...named] : named));
}

const eventMapping = {
  group: '',
  version: 'v1',
  resource: 'events',
  singular: 'event',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: [],
};

function rowOf(context: KubectlContext, event: JsonObject): readonly string[] {
  const age = (time: string): string =>
    time === '' ? '<unknown>' : humanDuration(context.clock.nowMs() - Date.parse(time));
  const last = lastTime(event);
  const first = digText(event, 'firstTimestamp') || digText(event, 'eventTime');
  const count = digNumber(event, ['series', 'count'], digNumber(event, ['count'], 1));
  const seen = count > 1 ? `${age(last)} (x${count} over ${age(first)})` : age(last);
  const object = `${digText(event, 'involvedObject', 'kind')}/${digText(event, 'involvedObject', 'name')}`;
  return [seen, digText(event, 'type'), digText(event, 'reason'), object, digText(event, 'message').trim()];
}
