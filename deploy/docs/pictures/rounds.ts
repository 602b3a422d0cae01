/** Live migrations: pages that each round sent, and pages that the guest wrote meanwhile; the modes beside each other. On virtual time, so the same each time. */
import { modesPicture } from '#pkg/vmm/migration/modes-compared.ts';
import { migrationPicture } from '#pkg/vmm/migration/report-picture.ts';
import { svgOf } from '#pkg/vmm/picture.ts';
import { moved, outcomesOf } from '../../../manifests/labs/moved.ts';

/** A page a millisecond, near enough. */
const bandwidth = 4_000_000;

/** The picture of a pre-copy of a guest that pauses for so many loops between two writes. */
export function roundsPicture(title: string, pause: number): string {
  const { source } = moved({ mode: 'pre-copy', pause, bandwidth, throttle: true, compress: false, faults: [] });
  const { rounds, downtimeMs, faults, prePaged, pushed } = source.figures;
  const sent = rounds.filter(({ pages }) => pages > 0);
  return svgOf(migrationPicture({ title, rounds: sent, classes: [], downtimeMs, faults, prePaged, pushed }));
}

/** The picture of a move of that guest by each mode. */
export function modesComparedPicture(title: string, pause: number): string {
  return svgOf(modesPicture(title, outcomesOf({ pause, bandwidth })));
}
