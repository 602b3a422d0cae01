/** What is understood of a migration of a virtual machine: whither, how far, and what each of its latest rounds has sent. */
import { digList, digMap, digNumber, digText } from '#pkg/kubectl/api.ts';
import type { Facts } from '../model/protocol.ts';

/** Rounds that a page is told of, the latest: of more the earlier ones cannot be seen apart. */
const roundsMax = 40;

const over: readonly string[] = ['Succeeded', 'Failed', 'Aborted'];

/** The facts of a VirtualMachineMigration, as its ends last said them. */
export function migrationFacts(migration: unknown): Facts {
  const spec = digMap(migration, 'spec');
  const status = digMap(migration, 'status');
  const figures = digMap(status, 'source', 'figures');
  const phase = digText(status, 'phase') || 'Pending';
  const time = (field: string): number => Date.parse(digText(status, field)) || 0;
  const figure = (name: string, unknown = 0): number => digNumber(figures, [name], unknown);
  const rounds = digList(figures, 'rounds').slice(-roundsMax);
  return {
    phase,
    migration: {
      machine: digText(spec, 'vmName'),
      mode: digText(spec, 'mode'),
      from: digText(status, 'sourceNode'),
      to: digText(status, 'targetNode'),
      why: digText(status, 'message') || digText(status, 'reason'),
      hasEnded: over.includes(phase),
      started: time('startTime'),
      ended: time('completionTime'),
      rounds: rounds.map((round) => ({
        round: digNumber(round, ['round']),
        pages: digNumber(round, ['pages']),
        bytes: digNumber(round, ['bytes']),
        durationMs: digNumber(round, ['durationMs']),
        dirtied: digNumber(round, ['dirtied']),
      })),
      sentBytes: figure('sentBytes'),
      bandwidth: figure('bandwidth'),
      throttle: figure('throttle', 1),
      downtimeMs: figure('downtimeMs', digNumber(status, ['target', 'figures', 'downtimeMs'], -1)),
      faults: figure('faults'),
      pushed: figure('pushed'),
    },
  };
}
