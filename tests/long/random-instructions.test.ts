/** A million random programs on our machine and on QEMU; `VM_PROGRAMS` and `VM_SEED` say otherwise. One in fifty batches runs compiled as well. */
import { expect, test } from 'vitest';
import { differences, qemuMissing, runOurs, runQemu } from '#tests/vm/compare.ts';
import { randomGuest } from '#tests/vm/random-guest.ts';

const BATCH = 4_000;
const programs = Number(process.env.VM_PROGRAMS ?? 1_000_000);
const firstSeed = Number(process.env.VM_SEED ?? 1_000);

if (qemuMissing !== undefined) console.log(`Skipped: ${qemuMissing}`);
test.skipIf(qemuMissing !== undefined)(`${programs} random programs end as on QEMU`, { timeout: 7_200_000 }, () => {
  for (let batch = 0; batch * BATCH < programs; batch++) {
    const seed = firstSeed + batch;
    const guest = randomGuest(seed, Math.min(BATCH, programs - batch * BATCH));
    const ours = runOurs(guest, 'interpret');
    expect({ seed, wrong: differences(runQemu(guest), ours) }).toEqual({ seed, wrong: [] });
    if (batch % 50 === 0)
      expect({ seed, wrong: differences(ours, runOurs(guest, 'compile', 2)) }).toEqual({ seed, wrong: [] });
  }
});
