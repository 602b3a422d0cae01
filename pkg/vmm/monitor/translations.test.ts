/** Both ways in which the hart finds a deprivileged guest's memory. */
import { FilledBuffer } from './filled-buffer.ts';
import { ShadowTables } from './shadow.ts';
import { testTranslations } from './translations-conformance.ts';

testTranslations('shadow tables', (machine) => new ShadowTables(machine));
testTranslations('a buffer that the monitor fills', (machine) => new FilledBuffer(machine));
