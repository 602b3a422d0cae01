/**
 * The counters that a full trace gives: by cause, instruction and what a faulting address led to, without what the monitor thought of it. Law 3 of the contract.
 */
import { decode } from '../isa/decode.ts';
import type { ExitEvent, ExitReason, MonitorCounters, TraceEvent, Way } from './contract.ts';
import { noExits } from './tally.ts';
import { virtualName } from './virtual-registers.ts';

/** What a trace tells. */
export type Recounted = Omit<MonitorCounters, 'instructions'>;

/** Counts a trace of a guest under one way. */
export function recount(events: readonly TraceEvent[], way: Way): Recounted {
  const exits = noExits();
  for (const event of events) if (event.kind === 'exit') exits[reasonOf(event, way)]++;
  const count = (kind: TraceEvent['kind']): number => events.filter((event) => event.kind === kind).length;
  return {
    exits,
    traps: count('trap'),
    ...recountWalks(events),
    monitorReferences: count('monitor-reference'),
    tlbMisses: count('miss'),
    updatesAsked: count('update'),
    interpreted: count('interpreted'),
    blocksTranslated: count('translated'),
    blocksChained: count('chained'),
    cacheFlushes: count('flushed'),
    storesLogged: count('logged'),
    moved: recountMoved(events),
  };
}

function recountMoved(events: readonly TraceEvent[]): MonitorCounters['moved'] {
  const moved = { console: 0, disk: 0, net: 0 };
  for (const event of events) if (event.kind === 'moved') moved[event.device]++;
  return moved;
}

function recountWalks(
  events: readonly TraceEvent[],
): Pick<MonitorCounters, 'pageWalks' | 'walkReferences' | 'walkReferencesMax'> {
  let pageWalks = 0;
  let walkReferences = 0;
  let walkReferencesMax = 0;
  let inWalk = 0;
  for (const event of events) {
    if (event.kind === 'walk') {
      pageWalks++;
      inWalk = 0;
    }
    if (event.kind !== 'reference') continue;
    walkReferences++;
    inWalk++;
    walkReferencesMax = Math.max(walkReferencesMax, inWalk);
  }
  return { pageWalks, walkReferences, walkReferencesMax };
}

/** Why an exit was, by what happened. */
export function reasonOf(event: ExitEvent, way: Way): ExitReason {
  const { cause, kernel, word } = event;
  if (event.atEnd) return 'untranslated';
  if (event.target === 'log') return 'log-full';
  if (cause === 3 && word !== undefined) return 'call-out';
  if (cause === 8 || cause === 10) return kernel ? 'hypercall' : 'syscall';
  if (event.target !== 'none') return ofFault(event);
  return cause === 2 && word !== undefined && kernel && way !== 'paravirtual' ? ofInstruction(word) : 'reflected';
}

function ofFault({ target, word, cause }: ExitEvent): ExitReason {
  if (target === 'refused') return 'reflected';
  if (target === 'traced') return 'traced-write';
  if (target === 'table') return 'table-opened';
  if (target === 'detached') return 'table-checked';
  if (target === 'device' && word !== undefined) return 'device';
  if (cause >= 24) return 'buffer-fill';
  return cause >= 20 ? 'nested-fault' : 'shadow-fault';
}

function ofInstruction(word: number): ExitReason {
  const { operation, imm } = decode(word);
  if (operation.name === 'sret') return 'return';
  if (operation.name === 'sfence.vma') return 'fence';
  if (operation.name === 'wfi') return 'wait';
  return operation.format === 'csr' && virtualName(imm & 0xfff) !== undefined ? 'register' : 'reflected';
}
