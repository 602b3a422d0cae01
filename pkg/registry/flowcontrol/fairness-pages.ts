/**
 * What administrators can read of priority and fairness: the levels, their queues and the requests in them, as tables of text.
 * Upstream counterpart: apiserver `util/flowcontrol/apf_controller_debug.go`.
 */

import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import type { TextPage } from '#pkg/apiserver/non-resource.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { FairPlace } from './fair-place.ts';
import type { Fairness } from './fairness.ts';
import type { PriorityLevel } from './priority-level.ts';

const root = '/debug/api_priority_and_fairness';

type Row = readonly string[];

/** The pages by path. */
export function fairnessPages(fairness: Pick<Fairness, 'clock' | 'levels'>): Readonly<Record<string, TextPage>> {
  const { clock } = fairness;
  const sorted = (): readonly PriorityLevel[] =>
    [...fairness.levels.values()].sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  return {
    [`${root}/dump_priority_levels`]: () => table(levelHeads, sorted().map(levelRow)),
    [`${root}/dump_queues`]: () => table(queueHeads, sorted().flatMap(queueRows)),
    [`${root}/dump_requests`]: (query) => {
      const isDetailed = (query.get('includeRequestDetails') ?? '') !== '';
      const heads = isDetailed ? [...requestHeads, ...detailHeads] : requestHeads;
      return table(
        heads,
        sorted().flatMap((level) => requestRows(level, { isDetailed, clock })),
      );
    },
  };
}

const levelHeads: Row = [
  'PriorityLevelName',
  'ActiveQueues',
  'IsIdle',
  'IsQuiescing',
  'WaitingRequests',
  'ExecutingRequests',
  'DispatchedRequests',
  'RejectedRequests',
  'TimedoutRequests',
  'CancelledRequests',
];

function levelRow({ spec, queues, isLeaving, dispatched, rejected, cancelled }: PriorityLevel): Row {
  const { waiting, executing } = queues.counts;
  const active = queues.queues.filter((queue) => queue.waiting.length > 0).length;
  const cells = [spec.name, active, queues.isIdle, isLeaving, waiting, executing, dispatched, rejected, 0, cancelled];
  return cells.map(String);
}

const queueHeads: Row = [
  'PriorityLevelName',
  'Index',
  'PendingRequests',
  'ExecutingRequests',
  'SeatsInUse',
  'NextDispatchR',
  'InitialSeatsSum',
  'MaxSeatsSum',
  'TotalWorkSum',
];

function queueRows({ spec, queues }: PriorityLevel): readonly Row[] {
  return queues.queues.map(({ index, waiting, executing, seatsInUse, nextR, work }) => {
    const seats = waiting.reduce((sum, request) => sum + request.seats, 0);
    const widest = waiting.reduce((sum, request) => sum + Math.max(request.seats, request.finalSeats), 0);
    const counts = [index, waiting.length, executing, seatsInUse].map(String);
    return [spec.name, ...counts, seatSeconds(nextR), String(seats), String(widest), seatSeconds(work)];
  });
}

/** Seats times milliseconds as upstream writes its seats times seconds. */
function seatSeconds(work: number): string {
  return `${(work / 1_000).toFixed(8)}ss`;
}

const requestHeads: Row = [
  'PriorityLevelName',
  'FlowSchemaName',
  'QueueIndex',
  'RequestIndexInQueue',
  'FlowDistingsher',
  'ArriveTime',
  'InitialSeats',
  'FinalSeats',
  'AdditionalLatency',
  'StartTime',
];

const detailHeads: Row = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];

function requestRows(
  { spec, queues }: PriorityLevel,
  { isDetailed, clock }: { readonly isDetailed: boolean; readonly clock: Clock },
): readonly Row[] {
  const offsetMs = clock.nowMs() - clock.monotonicMs();
  // What has not begun has the time that Go has for none.
  const time = (ms: number): string =>
    ms < 0 ? '0001-01-01T00:00:00Z' : new Date(Math.round(ms + offsetMs)).toISOString();
  const row = (place: FairPlace, at: number): Row => {
    const { flow, queue, seats, finalSeats, lingerMs, arrivalMs, startMs } = place;
    const cells = [
      spec.name,
      flow.schema.name,
      String(queue?.index ?? -1),
      String(at),
      flow.distinguisher,
      time(arrivalMs),
      String(seats),
      String(finalSeats),
      `${lingerMs}ms`,
      time(startMs),
    ];
    return isDetailed ? [...cells, ...details(place)] : cells;
  };
  return queues.requests().flatMap(({ request, at }) => (request instanceof FairPlace ? [row(request, at)] : []));
}

function details({ entering: { user, asked } }: FairPlace): Row {
  const { info } = asked;
  const version = info.isResource ? apiVersionOf(info) : '';
  return [user.name, info.verb, info.path, info.namespace, info.name, version, info.resource, info.subresource];
}

/** Columns of the same width, as Go's `tabwriter` makes them with a width of 8 at least. */
function table(heads: Row, rows: readonly Row[]): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(8, ...all.map((row) => (row[column] ?? '').length + 2)));
  const line = (row: Row): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : `${cell},`.padEnd(widths[column] ?? 8))).join('');
  return all.map((row) => `${line(row)}\n`).join('');
}
