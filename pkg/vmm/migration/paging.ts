/** The source's side of a post-copy after the handover: gives the target the pages that it lacks, each once, and counts why. What the guest waits for goes whatever else does; the rest while there is room. */
import type { MigrationSettings } from './contract.ts';
import { readMissing } from './messages.ts';
import type { Outbox } from './outbox.ts';
import type { PageEncoder } from './page-encoder.ts';
import { PageSupply, type Supply } from './page-supply.ts';
import { WireError } from './wire.ts';

/** Pages of a batch that is pushed: few, so that what is asked for meanwhile waits behind few. */
const pushedPages = 16;

/** What paging has of its surroundings. */
export interface PagingDeps {
  readonly missing: Uint8Array;
  readonly settings: MigrationSettings;
  readonly out: Outbox;
  readonly encoder: PageEncoder;
  readonly round: number;
  readonly nowMs: number;
}

/** Pages that are still this end's to give. */
export class Paging {
  private readonly deps: PagingDeps;
  private readonly supply: PageSupply;
  pages = 0;
  faults = 0;
  pushed = 0;
  prePaged = 0;

  constructor(deps: PagingDeps) {
    this.deps = deps;
    const { missing, settings, nowMs } = deps;
    this.supply = new PageSupply(missing, { push: settings.push, prePaging: settings.prePaging, nowMs });
    deps.encoder.forgetAll(missing);
  }

  /** How many were not given yet. */
  get left(): number {
    return this.supply.count;
  }

  demand(page: number, nowMs: number): void {
    const { length } = this.deps.missing;
    if (page >= length) throw new WireError(`Cannot give page ${page}: the machine has ${length}`);
    this.faults++;
    this.supply.demand(page, nowMs);
  }

  /** What the target lacks after the connection was made again. */
  reset(payload: Uint8Array): void {
    this.supply.reset(readMissing(payload, this.deps.missing.length));
  }

  /** Sends what there is room for. */
  pump(nowMs: number): void {
    for (let next = this.supply.takeWanted(); next !== undefined; next = this.supply.takeWanted()) {
      this.prePaged += next.pages.length - 1;
      this.send(next);
    }
    const rest = this.deps.out.hasRoom ? this.supply.takeRest(pushedPages, nowMs) : undefined;
    if (rest === undefined) return;
    this.pushed += rest.pages.length;
    this.send(rest);
  }

  private send({ pages, origin }: Supply): void {
    const { out, encoder, round } = this.deps;
    this.pages += pages.length;
    out.send('pages', encoder.encode(pages, { round, origin, isAlone: true }), origin === 'demand');
  }
}
