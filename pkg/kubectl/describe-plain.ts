/** `describe` of what holds data or other objects: config maps, secrets and namespaces. Source: the form of kubectl's own describers. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digList, digMap, digText } from './api.ts';
import type { KubectlContext } from './context.ts';
import { Description } from './describe-text.ts';
import { describeMetadata } from './describe-workload.ts';
import { listObjects } from './targets.ts';

function withLabels(object: JsonObject): Description {
  const out = new Description();
  describeMetadata(out, object);
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
  return out;
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** What is said of a ConfigMap, its data included. */
export function describeConfigMap(object: JsonObject): Description {
  const out = withLabels(object);
  out.line(0, '').line(0, 'Data').line(0, '====');
  for (const [key, value] of Object.entries(digMap(object, 'data')).toSorted(byKey)) {
    out.line(0, `${key}:`).line(0, '----').line(0, String(value)).line(0, '');
  }
  out.line(0, '').line(0, 'BinaryData').line(0, '====');
  for (const [key, value] of Object.entries(digMap(object, 'binaryData')).toSorted(byKey)) {
    out.line(0, `${key}: ${bytesOf(value)} bytes`);
  }
  return out.line(0, '');
}

/** What a Secret holds is not shown, only how much. */
export function describeSecret(object: JsonObject): Description {
  const out = withLabels(object);
  out
    .line(0, '')
    .line(0, `Type:  ${digText(object, 'type')}`)
    .line(0, '')
    .line(0, 'Data')
    .line(0, '====');
  for (const [key, value] of Object.entries(digMap(object, 'data')).toSorted(byKey)) {
    out.field(0, key, `${bytesOf(value)} bytes`);
  }
  return out;
}

function bytesOf(value: unknown): number {
  return Buffer.from(String(value), 'base64').length;
}

/** What is said of a service account. */
export function describeServiceAccount(object: JsonObject): Description {
  const names = digList(object, 'imagePullSecrets').map((secret) => digText(secret, 'name'));
  return withLabels(object).list(0, 'Image pull secrets', names);
}

/** What is said of a quota: what is used of what there may be. */
export function describeQuota(object: JsonObject): Description {
  const out = new Description();
  describeMetadata(out, object);
  const used = digMap(object, 'status', 'used');
  const rows = Object.entries(digMap(object, 'status', 'hard')).toSorted(byKey);
  return out.rows(
    0,
    ['Resource', 'Used', 'Hard'],
    rows.map(([resource, hard]) => [resource, String(used[resource] ?? '0'), String(hard)]),
  );
}

/** What is said of a limit range, a row for each limit. */
export function describeLimitRange(object: JsonObject): Description {
  const out = new Description();
  describeMetadata(out, object);
  return out.rows(0, limitHeaders, limitRows(object));
}

/** What is said of a namespace, with the quotas and limits in it. */
export async function describeNamespace(context: KubectlContext, object: JsonObject): Promise<Description> {
  const out = withLabels(object);
  out.field(0, 'Status', digText(object, 'status', 'phase'));
  const namespace = digText(object, 'metadata', 'name');
  const listed = async (word: string): Promise<readonly JsonObject[]> => {
    const [mapping] = await context.discovery.resolve(word);
    return listObjects(context, { mapping: mapping, namespace }, {});
  };
  const quotas = await listed('resourcequotas');
  out.line(0, '');
  if (quotas.length === 0) out.line(0, 'No resource quota.');
  else {
    out.line(0, 'Resource Quotas');
    for (const quota of quotas) {
      out.field(1, 'Name', digText(quota, 'metadata', 'name'));
      const used = digMap(quota, 'status', 'used');
      const rows = Object.entries(digMap(quota, 'status', 'hard')).toSorted(byKey);
      // The dashes are as many as kubectl's.
      out.line(1, 'Resource\tUsed\tHard').line(1, '--------\t---\t---');
      for (const [resource, hard] of rows)
        out.line(1, `${resource}\t${String(used[resource] ?? '0')}\t${String(hard)}`);
    }
  }
  const ranges = await listed('limitranges');
  out.line(0, '');
  if (ranges.length === 0) out.line(0, 'No LimitRange resource.');
  else {
    out.line(0, 'Resource Limits');
    const table = new Description().rows(0, limitHeaders, ranges.flatMap(limitRows));
    for (const line of table.renderTabs().trimEnd().split('\n')) out.line(0, ` ${line}`);
  }
  return out;
}

const limitHeaders = ['Type', 'Resource', 'Min', 'Max', 'Default Request', 'Default Limit', 'Max Limit/Request Ratio'];

function limitRows(range: JsonObject): readonly (readonly string[])[] {
  return digList(range, 'spec', 'limits').flatMap(rowsOfLimit);
}

function rowsOfLimit(limit: JsonObject): readonly (readonly string[])[] {
  const columns = ['min', 'max', 'defaultRequest', 'default', 'maxLimitRequestRatio'];
  const resources = new Set(columns.flatMap((column) => Object.keys(digMap(limit, column))));
  return [...resources]
    .toSorted()
    .map((resource) => [
      digText(limit, 'type'),
      resource,
      ...columns.map((column) => digText(limit, column, resource) || '-'),
    ]);
}
