/**
 * Building blocks of the printers: columns by name, and the texts that many of them share.
 * Source: upstream `pkg/printers/internalversion/printers.go`, whose column names and cell texts these keep.
 */
import type { PodSpec, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { humanAge } from '#pkg/apimachinery/time.ts';
import type { TableColumn } from '#pkg/apiserver/strategy.ts';

/** What upstream prints for a value that is not there. */
export const none = '<none>';
/** What upstream prints for a value that cannot be known. */
export const unknown = '<unknown>';
/** What upstream prints for a field that was not set. */
export const unset = '<unset>';

/** The first column of a table. */
export const nameColumn: TableColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique within its namespace',
};

/** Time since the object was made. */
export const ageColumn: TableColumn = {
  name: 'Age',
  type: 'string',
  description: 'Time since the server made the object',
};

/** A column that is always shown. */
export function column(name: string, type: TableColumn['type'] = 'string'): TableColumn {
  return { name, type };
}

/** A column that only `-o wide` shows. */
export function wide(name: string, type: TableColumn['type'] = 'string'): TableColumn {
  return { name, type, priority: 1 };
}

/** The wide columns of everything with a pod template and a selector. */
export const templateColumns: readonly TableColumn[] = [wide('Containers'), wide('Images'), wide('Selector')];

/** Time between an RFC 3339 timestamp and `nowMs` as `5m`, or `<unknown>` without a timestamp. */
export function since(time: unknown, nowMs: number): string {
  return typeof time === 'string' ? humanAge(time, nowMs) : unknown;
}

/** The age cell of an object. */
export function age(object: Given<KubeObject>, nowMs: number): string {
  return since(object.metadata?.creationTimestamp, nowMs);
}

/** The name cell of an object. */
export function nameOf(object: Given<KubeObject>): string {
  return object.metadata?.name ?? '';
}

/** `a=1,b=2` in the order of the names, `<none>` for no labels. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? none : pairs.sort().join(',');
}

/** A `LabelSelector` as the text form of a selector, `<none>` when it selects everything or nothing. */
export function formatSelector(selector: Given<LabelSelector> | undefined): string {
  const text = selectorText(selector);
  return text === '' ? none : text;
}

/** A `LabelSelector` as the text form of a selector, `''` when it is missing or empty. Source: `meta/v1` `FormatLabelSelector`. */
export function selectorText(selector: Given<LabelSelector> | undefined): string {
  const result = selectorFromLabelSelector(selector);
  return result.ok ? result.selector.toString() : '<error>';
}

/** The container names and the images of a pod spec, each joined by commas. */
export function containerCells(podSpec: Given<PodSpec> | undefined): readonly [string, string] {
  const containers = podSpec?.containers ?? [];
  const names = containers.map((container) => container.name ?? '').join(',');
  const images = containers.map((container) => container.image ?? '').join(',');
  return [names, images];
}

/** The cells that go with `templateColumns`. */
export function templateCells(
  spec:
    | { readonly selector?: Given<LabelSelector> | undefined; readonly template?: Given<PodTemplateSpec> }
    | undefined,
): readonly [string, string, string] {
  const [names, images] = containerCells(spec?.template?.spec);
  return [names, images, formatSelector(spec?.selector)];
}
