/**
 * All or none: places the pods of a gang one after the other, and takes all of them back where fewer than needed found a place. It waits for nothing, so that no
 * gang ever holds room while it waits for more: two that do not fit together cannot block each other.
 */
import type { PodInfo } from '../model/pod-info.ts';

/** How members are placed. */
export interface Placer<T> {
  /** Places a member, which counts there from then on; false where it has no place. */
  place(member: T): boolean;
  /** Takes back a member that was placed. */
  takeBack(member: T): void;
}

/** How it went. */
export interface GangPlacement<T> {
  /** Whether as many as needed are placed; else none is any more. */
  readonly isPlaced: boolean;
  /** Those that have, or had, a place. */
  readonly placed: readonly T[];
}

/** What a placement keeps to. */
export interface PlaceGangOptions {
  readonly needed: number;
  /** Whether it ends once as many as needed are placed. Default: the others are tried too. */
  readonly isLeast?: boolean;
}

/** Tries the members in their order, and gives up as soon as those left are too few. */
export function placeGang<T>(
  members: readonly T[],
  placer: Placer<T>,
  { needed, isLeast = false }: PlaceGangOptions,
): GangPlacement<T> {
  const placed: T[] = [];
  let left = members.length;
  for (const member of members) {
    if (placed.length + left < needed || (isLeast && placed.length >= needed)) break;
    left--;
    if (placer.place(member)) placed.push(member);
  }
  const isPlaced = placed.length >= needed;
  if (!isPlaced) for (const member of placed.toReversed()) placer.takeBack(member);
  return { isPlaced, placed };
}

/** The order in which members are tried: by priority, then the largest first, as the others find room beside it, then by name. */
export function gangOrder<T>(members: readonly T[], podOf: (member: T) => PodInfo): readonly T[] {
  let [milliCpu, memory] = [1, 1];
  for (const member of members) {
    const { requests } = podOf(member);
    milliCpu = Math.max(milliCpu, requests.milliCpu);
    memory = Math.max(memory, requests.memory);
  }
  const size = ({ requests }: PodInfo): number => requests.milliCpu / milliCpu + requests.memory / memory;
  const compare = (a: PodInfo, b: PodInfo): number =>
    b.priority - a.priority || size(b) - size(a) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  return members.toSorted((a, b) => compare(podOf(a), podOf(b)));
}

/** Why a gang waits, in the words of its condition. */
export function gangMessage(
  group: string,
  { found, needed, why }: { readonly found: number; readonly needed: number; readonly why: string },
): string {
  return `pod group "${group}" is scheduled as a whole, and only ${found} of the ${needed} pods that it still needs have room: ${why}`;
}

/** Said of a gang that is not there yet. */
export function incompleteMessage(group: string, minCount: number): string {
  return `pod group "${group}" waits until ${minCount} of its pods can be tried`;
}

/** Said of pods whose group is not there. */
export function missingMessage(group: string): string {
  return `waiting for pod group "${group}", which does not exist`;
}
