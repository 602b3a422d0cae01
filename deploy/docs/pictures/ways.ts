/** What the ways to virtualize cost one guest, by counts: how often it was left and why, and how many entries of tables were read. Counts repeat to the instruction; times would not. */
import { readFileSync } from 'node:fs';
import { readChoice, ways } from '#pkg/vmm/monitor/choices.ts';
import { exitsOf, type GuestName, measure, type Row } from '#pkg/vmm/monitor/compare.ts';
import { type BarRow, barRows, barsWidth, svgOf, text } from '#pkg/vmm/picture.ts';

const guests = new URL('../../../pkg/vmm/guests/', import.meta.url);
const work = { updates: 4096, touches: 2048, spread: 4096, syscalls: 100 };
const colours = { exits: '#3b6ea5', walks: '#b9c4cf', references: '#c2703d' } as const;

/** Runs the guest under each way. */
export function measureWays(): readonly Row[] {
  const guest = (name: GuestName): Uint8Array => readFileSync(new URL(`${name}.elf`, guests));
  return ways.flatMap((way) => {
    const choice = readChoice(way);
    return typeof choice === 'string' ? [] : [measure({ guest, now: () => 0 }, choice, work)];
  });
}

function drawn(title: string, rows: readonly BarRow[]): string {
  const did = `One guest: ${work.updates} entries of page tables written, ${work.touches} pages touched, ${work.syscalls} system calls. The scale is logarithmic.`;
  const { shapes, bottom } = barRows(rows, 62);
  const words = [text(20, 24, title, { size: 15 }), text(20, 44, did)];
  return svgOf({ width: barsWidth, height: bottom + 10, shapes: [...words, ...shapes] });
}

/** Why the guest was left, under each way. */
export function trapsPicture(rows: readonly Row[]): string {
  const bars = rows.map(({ way, counters }) => {
    const reasons = Object.entries(counters.exits)
      .filter(([, count]) => count > 0)
      .toSorted(([, one], [, other]) => other - one)
      .map(([reason, value]) => ({ value, fill: colours.exits, label: `${reason}: ${value.toLocaleString('en')}` }));
    const none = { value: 0, fill: colours.exits, label: 'none: no monitor is there' };
    return {
      name: `${way} (${exitsOf(counters).toLocaleString('en')})`,
      bars: reasons.length === 0 ? [none] : reasons,
    };
  });
  return drawn('Exits to the monitor by their reason, under each way', bars);
}

/** How many walks there were, and what each of them read. */
export function walksPicture(rows: readonly Row[]): string {
  const bars = rows.map(({ way, counters }) => {
    const { pageWalks, walkReferences, walkReferencesMax } = counters;
    const walks = `${pageWalks.toLocaleString('en')} walks`;
    const read = `${walkReferences.toLocaleString('en')} entries read, at most ${walkReferencesMax} for a walk`;
    return {
      name: way,
      bars: [
        { value: pageWalks, fill: colours.walks, label: walks },
        { value: walkReferences, fill: colours.references, label: read },
      ],
    };
  });
  return drawn('Walks of page tables, and entries that they read, under each way', bars);
}
