import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createSteps } from './terminal.ts';

function terminal(columns: number, isTerminal = true) {
  let written = '';
  const writeError = (text: string): void => {
    written += text;
  };
  const world = {
    clock: new VirtualClock(),
    environment: { NO_COLOR: '1' },
    isTerminal,
    isQuiet: false,
    writeError,
    columns: () => columns,
  };
  return { world, written: () => written };
}

const doing = 'Starting the nodes, the controllers, the scheduler and the proxy';

test('the line of a step under way fits into the terminal, so that it can be taken back (fault 49)', () => {
  const { world, written } = terminal(40);
  const steps = createSteps(world, { quiet: false, interrupted: new AbortController().signal });
  steps.begin(doing, 'Started 1 node');
  expect(written()).toBe('• Starting the nodes, the controllers,…');
  expect([...written()].length).toBeLessThan(40);
  steps.end();
  expect(written().slice(written().indexOf('\r'))).toBe('\r\u001b[K✓ Started 1 node (0 ms)\n');
});

test.each([true, false])(
  'after an interruption no step is said to be done (fault 49), on a terminal: %s',
  (isTerminal) => {
    const { world, written } = terminal(80, isTerminal);
    const controller = new AbortController();
    const steps = createSteps(world, { quiet: false, interrupted: controller.signal });
    steps.begin('One', 'Did one');
    controller.abort();
    steps.begin('Two', 'Did two');
    steps.end();
    expect(written()).toBe(isTerminal ? '• One …\n' : '');
  },
);
