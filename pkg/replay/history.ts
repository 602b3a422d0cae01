/**
 * What happened in a cluster, in the order of time: what `record` writes, and what dumps and audit logs are read as.
 *
 * Laws: times are milliseconds since the start and never decrease. What is there at the start comes first, as `STATE`. An object is as the API
 * gave it, but for the data of Secrets where they were left out.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** A change of one object. */
export interface Change {
  readonly ms: number;
  readonly type: 'ADDED' | 'DELETED' | 'MODIFIED' | 'STATE';
  readonly object: JsonObject;
  /** Who asked for it, where that is known; else the object's managed fields tell. */
  readonly user?: string;
}

/** How many renewals of leases there were since the last record of them: they are counted, not kept. */
export interface Renewals {
  readonly ms: number;
  readonly renewals: number;
  readonly leases: number;
}

/** What a history begins with. */
export interface HistoryHeader {
  readonly coxswain: 'recording';
  readonly version: number;
  /** Milliseconds since the epoch of its start. */
  readonly startMs: number;
  /** Whether the data of Secrets is in it. */
  readonly secrets: boolean;
}

/** The version of the format that is written, and the only one that is read. */
export const historyVersion = 1;

/** All of it. */
export interface History {
  readonly header: HistoryHeader;
  readonly changes: readonly Change[];
  readonly renewals: number;
  /** When the last thing was recorded. */
  readonly endMs: number;
  /** False where its end is missing. Absent: true. */
  readonly isWhole?: boolean;
}

/** A file that is no history, or one that cannot be used; one line says why. */
export class HistoryError extends Error {}
