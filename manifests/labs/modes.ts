/**
 * One machine, whose guest never rests, moved by each mode over the same link, all on virtual time, so the same each time: what textbooks compare, as a table and as a picture. Run by
 * `npx node manifests/labs/modes.ts [--pause LOOPS] [--bandwidth KB-A-SECOND] [--out FILE.svg]` in a checkout.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { modeCells, modesHead, modesPicture } from '#pkg/vmm/migration/modes-compared.ts';
import { svgOf } from '#pkg/vmm/picture.ts';
import { outcomesOf } from './moved.ts';

const { values } = parseArgs({
  options: {
    pause: { type: 'string', default: '2000' },
    bandwidth: { type: 'string', default: '4000' },
    out: { type: 'string', default: '' },
  },
});

const outcomes = outcomesOf({ pause: Number(values.pause), bandwidth: Number(values.bandwidth) * 1000 });
// On virtual time no processor is looked at.
const cells = [modesHead, ...outcomes.map(modeCells)].map((row) => row.slice(0, -1));
process.stdout.write(new TableLayout().render(cells));
if (values.out !== '') writeFileSync(values.out, svgOf(modesPicture('One machine, moved by each mode', outcomes)));
