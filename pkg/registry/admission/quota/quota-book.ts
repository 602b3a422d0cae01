/**
 * The quotas that there are, by namespace, and what this server has promised of each: what was counted for writes of which whoever counts anew may not
 * know yet. What such a count says of them is not believed, so that a quota which is counted while objects are being made is never found emptier than it will be.
 *
 * Invariant: a promise is kept until the quota has a version that is newer than its write: a count that begins with that version finds what was
 * written. Of writes through other servers only what they put into the quota itself is known, as in upstream.
 */
import type { Amounts } from '#pkg/api/quota/amounts.ts';
import type { GroupResource } from '#pkg/api/quota/evaluator.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { Reservation } from '#pkg/apiserver/strategy.ts';

/** A write, and what it takes of one quota. */
export interface QuotaWrite {
  readonly amounts: Amounts;
  readonly subject: GroupResource;
  readonly name: string;
  /** As it will be. */
  readonly object: object;
}

/** A write that a count may have missed. */
export interface PromisedWrite extends Omit<QuotaWrite, 'object'> {
  /** As it will be; undefined where it is so by now. */
  readonly object: object | undefined;
}

interface Promised extends PromisedWrite {
  object: object | undefined;
  /** The version of the quota when the write was done; undefined while it is under way. */
  doneAt: number | undefined;
}

interface Page {
  version: number;
  readonly promises: Set<Promised>;
}

/** One server's book. Promises are at most as many as writes under way, and those of one version of a quota. */
export class QuotaBook implements FollowSink {
  readonly #namespaces = new Map<string, Map<string, Page>>();

  /** Whether there are quotas in a namespace. */
  has(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  set(quota: KubeObject): void {
    const { namespace = '', uid = '' } = quota.metadata ?? {};
    const version = versionOf(quota);
    let pages = this.#namespaces.get(namespace);
    if (pages === undefined) {
      pages = new Map();
      this.#namespaces.set(namespace, pages);
    }
    const page = pages.get(uid);
    if (page === undefined) {
      pages.set(uid, { version, promises: new Set() });
      return;
    }
    page.version = Math.max(page.version, version);
    for (const promised of page.promises)
      if (promised.doneAt !== undefined && promised.doneAt < page.version) page.promises.delete(promised);
  }

  remove(quota: KubeObject): void {
    const { namespace = '', uid = '' } = quota.metadata ?? {};
    const pages = this.#namespaces.get(namespace);
    pages?.delete(uid);
    if (pages?.size === 0) this.#namespaces.delete(namespace);
  }

  /** Notes a write. Committed once it is done, rolled back where it comes to nothing. */
  promise(quota: KubeObject, write: QuotaWrite): Reservation {
    const page = this.#page(quota);
    const promised: Promised = { ...write, doneAt: undefined };
    page?.promises.add(promised);
    return {
      commit: () => {
        promised.doneAt = page?.version;
        promised.object = undefined;
      },
      rollback: () => {
        page?.promises.delete(promised);
      },
    };
  }

  /** What a count that began with this version of the quota may have missed. */
  promisedSince(quota: KubeObject): readonly PromisedWrite[] {
    const version = versionOf(quota);
    const all = [...(this.#page(quota)?.promises ?? [])];
    return all.filter(({ doneAt }) => doneAt === undefined || doneAt >= version);
  }

  #page({ metadata }: KubeObject): Page | undefined {
    return this.#namespaces.get(metadata?.namespace ?? '')?.get(metadata?.uid ?? '');
  }
}

function versionOf({ metadata }: KubeObject): number {
  return Number(metadata?.resourceVersion ?? 0);
}
