/**
 * What Popek and Goldberg's theorems say of a hart, and what really comes of it: which of its instructions are sensitive is found by executing them (`sensitivity.ts`), so which
 * ways are promised to be right; then a guest that looks at its status, as kernel and as program, is run in each of them beside the machine without a monitor.
 */
import type { UserStatus } from '../hart/hart-state.ts';
import type { Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { examine, type Finding, instructionWords, userViolations, violations } from './sensitivity.ts';

/** The hart as the architecture says, and its variants. */
export const variants: readonly UserStatus[] = ['trapped', 'shown', 'hidden'];

const monitored = ['trap', 'translate', 'hybrid', 'hardware'] as const;
const MEMORY = 1 << 20;
const INSTRUCTIONS_MAX = 1_000_000;

/** One way on one hart. */
export interface Trial {
  readonly way: Way;
  /** By the theorems, and by what the instructions were found to be. */
  readonly isPromised: boolean;
  readonly isSame: boolean;
  /** What the guest said. */
  readonly said: string;
}

/** What was found of one hart. */
export interface Verdict {
  readonly userStatus: UserStatus;
  readonly sensitive: number;
  readonly untrapped: readonly Finding[];
  readonly userUntrapped: readonly Finding[];
  /** What the guest says on the machine without a monitor. */
  readonly expected: string;
  readonly trials: readonly Trial[];
}

/** Examines a hart, and runs the guest (`guests/probe/status.c`) on it in each way. */
export function judge(userStatus: UserStatus, guest: Uint8Array): Verdict {
  const findings = examine(instructionWords(), userStatus);
  const untrapped = violations(findings);
  const userUntrapped = userViolations(findings);
  const promised = {
    trap: untrapped.length === 0,
    translate: userUntrapped.length === 0,
    hybrid: userUntrapped.length === 0,
    hardware: true,
  } as const;
  const expected = saidBy(guest, 'native', userStatus);
  const trials = monitored.map((way) => {
    const said = saidBy(guest, way, userStatus);
    return { way, isPromised: promised[way], isSame: said === expected, said };
  });
  const sensitive = findings.filter((finding) => finding.sensitive).length;
  return { userStatus, sensitive, untrapped, userUntrapped, expected, trials };
}

function saidBy(guest: Uint8Array, way: Way, userStatus: UserStatus): string {
  const monitor = createMonitor({ way, io: 'emulated', guest, memory: MEMORY, parameters: [], userStatus });
  const outcome = monitor.run(INSTRUCTIONS_MAX);
  const said = monitor.console.trimEnd();
  return outcome.reason === 'off' ? said : `${said} (${outcome.reason === 'fault' ? outcome.message : 'does not end'})`;
}
