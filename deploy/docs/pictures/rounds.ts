/** Rounds of live migrations: pages that each sent, and pages that the guest wrote meanwhile. On virtual time, so the same each time. */
import { migrationPicture } from '#pkg/vmm/migration/report-picture.ts';
import { svgOf } from '#pkg/vmm/picture.ts';
import { moved } from '../../../manifests/labs/moved.ts';

/** A page a millisecond, near enough. */
const bandwidth = 4_000_000;

/** The picture of a pre-copy of a guest that pauses for so many loops between two writes. */
export function roundsPicture(title: string, pause: number): string {
  const { source } = moved({ mode: 'pre-copy', pause, bandwidth, throttle: true, compress: false, faults: [] });
  const { rounds, downtimeMs, faults, prePaged, pushed } = source.figures;
  const sent = rounds.filter(({ pages }) => pages > 0);
  return svgOf(migrationPicture({ title, rounds: sent, classes: [], downtimeMs, faults, prePaged, pushed }));
}
