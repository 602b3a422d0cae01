/** Messages of a page, read from text that may be anything. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { digNumber, digText, digTexts } from '#pkg/kubectl/api.ts';
import type { ListQuery, PageMessage, ResourceId, Sort, ViewQuery } from '../model/protocol.ts';

/** The message; undefined for what is none. */
export function pageMessageOf(text: string): PageMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const id = natural(value, 'id');
  if (id === undefined) return undefined;
  switch (value.type) {
    case 'close':
      return { type: 'close', id };
    case 'input':
      return typeof value.text === 'string' ? { type: 'input', id, text: value.text } : undefined;
    case 'resize': {
      const [width, height] = [natural(value, 'width'), natural(value, 'height')];
      return width === undefined || height === undefined ? undefined : { type: 'resize', id, width, height };
    }
    case 'window': {
      const [from, count] = [natural(value, 'from'), natural(value, 'count')];
      return from === undefined || count === undefined ? undefined : { type: 'window', id, from, count };
    }
    case 'open': {
      const query = queryOf(value.query);
      return query === undefined ? undefined : { type: 'open', id, query };
    }
    default:
      return undefined;
  }
}

function natural(value: unknown, field: string): number | undefined {
  const number = digNumber(value, [field], -1);
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function queryOf(value: unknown): ViewQuery | undefined {
  const container = {
    namespace: digText(value, 'namespace'),
    pod: digText(value, 'pod'),
    container: digText(value, 'container'),
  };
  switch (digText(value, 'kind')) {
    case 'nodes':
      return { kind: 'nodes' };
    case 'time':
      return { kind: 'time' };
    case 'log':
      return { kind: 'log', ...container, previous: digText(value, 'previous') === 'true' };
    case 'exec':
      return { kind: 'exec', ...container, command: digTexts(value, 'command') };
    case 'list':
      return listOf(value);
    default:
      return undefined;
  }
}

function listOf(value: unknown): ListQuery | undefined {
  const resource = resourceOf(value);
  const [from, count] = [natural(value, 'from'), natural(value, 'count')];
  if (resource === undefined || from === undefined || count === undefined) return undefined;
  const optional = (
    field: 'about' | 'labels' | 'name' | 'namespace' | 'node' | 'owner' | 'phase' | 'text',
  ): Partial<ListQuery> => {
    const text = digText(value, field);
    return text === '' ? {} : { [field]: text };
  };
  const sort = sortOf(value);
  return {
    kind: 'list',
    resource,
    from,
    count,
    ...optional('about'),
    ...optional('labels'),
    ...optional('name'),
    ...optional('namespace'),
    ...optional('node'),
    ...optional('owner'),
    ...optional('phase'),
    ...optional('text'),
    ...(sort === undefined ? {} : { sort }),
  };
}

function resourceOf(value: unknown): ResourceId | undefined {
  const [group, version, resource] = [
    digText(value, 'resource', 'group'),
    digText(value, 'resource', 'version'),
    digText(value, 'resource', 'resource'),
  ];
  const isName = (text: string): boolean => /^[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?$/.test(text);
  return (group === '' || isName(group)) && isName(version) && isName(resource)
    ? { group, version, resource }
    : undefined;
}

function sortOf(value: unknown): Sort | undefined {
  const by = digText(value, 'sort', 'by');
  const descending = digText(value, 'sort', 'descending') === 'true';
  if (by === 'name' || by === 'time') return { by, descending };
  return /^\d{1,3}$/.test(by) ? { by: Number(by), descending } : undefined;
}
