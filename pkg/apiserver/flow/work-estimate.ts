/**
 * How many seats the work of a request takes: a list by the bytes that it holds in memory at once, a write by the watches that are told of it. What is not
 * known to be more takes one.
 * Upstream counterpart: apiserver `util/flowcontrol/request` with the gate `SizeBasedListCostEstimate`.
 */
import type { ServedResource } from '../catalog.ts';
import type { RequestInfo } from '../request-info.ts';
import { isTrue } from '../request-info.ts';

/** What a request is estimated to take. */
export interface WorkEstimate {
  readonly seats: number;
  /** Seats that are kept after the answer, for `lingerMs`: the work of telling watches. */
  readonly finalSeats: number;
  readonly lingerMs: number;
}

/** Bytes that one seat holds. */
const bytesPerSeat = 100_000;
/** A list from the cache is encoded a piece at a time: it holds no more than this. */
const streamedBytesMax = 1_000_000;
/** Objects of which nothing is known are taken to be as large as any. */
const objectBytesMax = 1_500_000;
const listSeatsMax = 100;
const writeSeatsMax = 10;
const watchesPerSeat = 10;
/**
 * How long telling the watches of one seat takes: some 20 µs each, as `npm run bench` measures it. Upstream reckons with 5 ms, by which a cluster in one
 * process, whose parts alone are more watches than one seat's, would take no more than some thousand writes a second.
 */
const tellingMs = 0.25;

/** What takes no more than its place. */
export const oneSeat: WorkEstimate = { seats: 1, finalSeats: 0, lingerMs: 0 };

/** Lists, and watches that begin as one. `seatsMax` is the most that a request of its level may take, 0 for no bound of its own. */
export function listEstimate(info: RequestInfo, served: ServedResource | undefined, seatsMax: number): WorkEstimate {
  if (info.verb === 'watch' && !beginsWithList(info)) return oneSeat;
  const count = served?.store.openCount;
  // Of another server's objects, and of those that are not in memory, nothing is known.
  if (count === undefined || served === undefined) return oneSeat;
  const averageBytes = served.store.averageBytes ?? objectBytesMax;
  let objects = count;
  let isFromCache = true;
  if (info.name !== '') objects = 1;
  else if (info.query.size > 0) {
    const limit = Math.trunc(Number(info.query.get('limit') ?? 0));
    if (limit > 0 && limit < objects) objects = limit;
    isFromCache = info.verb === 'watch' || !needsStore(info.query, limit);
    const selects = (info.query.get('fieldSelector') ?? '') !== '' || (info.query.get('labelSelector') ?? '') !== '';
    if (!isFromCache && selects) objects = Math.max(objects, Math.trunc(count / 2));
  }
  const bytes = objects * averageBytes;
  const seats = Math.ceil((isFromCache ? Math.min(bytes, streamedBytesMax) : bytes) / bytesPerSeat);
  const most = seatsMax === 0 ? listSeatsMax : Math.min(seatsMax, listSeatsMax);
  return seats <= 1 ? oneSeat : { seats: Math.min(seats, most), finalSeats: 0, lingerMs: 0 };
}

/** Writes; `watches` is how many are told of the change. */
export function writeEstimate(watches: number, seatsMax: number): WorkEstimate {
  if (watches < watchesPerSeat) return oneSeat;
  const wanted = Math.ceil(watches / watchesPerSeat);
  const most = seatsMax === 0 ? writeSeatsMax : Math.min(seatsMax, writeSeatsMax);
  const finalSeats = Math.min(wanted, most);
  // The same work, narrower and longer.
  return { seats: 1, finalSeats, lingerMs: (wanted * tellingMs) / finalSeats };
}

function beginsWithList({ query }: RequestInfo): boolean {
  const version = query.get('resourceVersion') ?? '';
  return version === '' || version === '0' || isTrue(query.get('sendInitialEvents'));
}

/** Whether upstream would ask the store, where all is in memory at once. */
function needsStore(query: URLSearchParams, limit: number): boolean {
  const version = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  if (match === 'Exact') return true;
  if (match === 'NotOlderThan') return false;
  if (match !== '') return true;
  return (query.get('continue') ?? '') !== '' || (limit > 0 && version !== '' && version !== '0');
}
