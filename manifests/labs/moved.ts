/** A machine whose guest never rests, moved between two hosts over a link on virtual time: what `moving.ts` tells of, and what pictures of rounds are drawn from. */
import { createMachine } from '#pkg/vmm/machine.ts';
import type { MachineConfig } from '#pkg/vmm/machine-contract.ts';
import type { MigrationEnd, MigrationMode } from '#pkg/vmm/migration/contract.ts';
import type { ModeOutcome } from '#pkg/vmm/migration/modes-compared.ts';
import { createSource } from '#pkg/vmm/migration/source.ts';
import { createTarget } from '#pkg/vmm/migration/target.ts';
import { type Fault, Rig, restlessConfig, settings } from '#pkg/vmm/migration/test-rig.ts';

/** How it is moved. */
export interface Move {
  readonly mode: MigrationMode;
  /** Loops of the guest between two writes. */
  readonly pause: number;
  /** Bytes a second. */
  readonly bandwidth: number;
  readonly throttle: boolean;
  readonly compress: boolean;
  readonly faults: readonly Fault[];
}

/** What is left of it. */
export interface Moved {
  readonly hosts: Rig;
  readonly source: MigrationEnd;
  readonly config: MachineConfig;
}

/** Moves it. */
export function moved({ mode, pause, bandwidth, throttle, compress, faults }: Move): Moved {
  const config = restlessConfig({ regionKiB: 512, pause });
  const machine = createMachine(config);
  machine.run(200_000);
  const source = createSource({ machine, config, settings: { ...settings, mode, bandwidth, throttle, compress } });
  const target = createTarget({ accept: () => undefined });
  const hosts = new Rig({
    ...{ bandwidth, latencyMs: 1, instructionsPerMs: 2000, pieceBytes: () => 1400 },
    arbiter: { delayMs: () => 2, isLost: () => false },
  });
  hosts.run({ machine, source, target }, { faults, limitMs: 60_000, isOff: mode === 'cold' });
  return { hosts, source, config };
}

const modes: readonly MigrationMode[] = ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold'];

/** The same machine moved by each mode over the same link. */
export function outcomesOf(move: Pick<Move, 'bandwidth' | 'pause'>): readonly ModeOutcome[] {
  return modes.map((mode) => {
    const { hosts, source } = moved({ ...move, mode, throttle: true, compress: false, faults: [] });
    const { rounds, downtimeMs, sentBytes, faults } = source.figures;
    return {
      ...{ mode, downtimeMs, sentBytes, faults },
      totalMs: hosts.nowMs,
      pages: rounds.reduce((sum, { pages }) => sum + pages, 0),
      rounds: rounds.filter(({ pages }) => pages > 0).length,
      cpuMs: 0,
    };
  });
}
