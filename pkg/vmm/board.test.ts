import { expect, test } from 'vitest';
import { Board } from './board.ts';
import { GuestMemory } from './guest-memory.ts';
import { UART_BASE, VIRTIO_BASE, VIRTIO_STRIDE } from './memory-map.ts';

/** A board whose guest has a driver for the virtio console. */
function boardWithDriver(): Board {
  const memory = 1 << 20;
  const config = { memory, harts: 1, kernel: new Uint8Array(0), commandLine: '', engine: 'interpret' } as const;
  const board = new Board(config, new GuestMemory(memory, 1), [], { ticks: 0, shift: () => undefined });
  const [status, acknowledged, driver, featuresOk, driverOk] = [0x70, 1, 2, 8, 4];
  let value = 0;
  for (const bit of [acknowledged, driver, featuresOk, driverOk]) {
    value |= bit;
    board.bus.store(VIRTIO_BASE + 2 * VIRTIO_STRIDE + status, 4, value);
  }
  return board;
}

/** Whether the serial port has input. */
const hasSerialInput = (board: Board): boolean => ((board.bus.load(UART_BASE + 5, 1) ?? 0) & 1) === 1;

test('what is typed goes to the virtio console once that has a driver, but to the serial port where the guest writes there', () => {
  const board = boardWithDriver();
  expect(board.consoleInput(Buffer.from('a'))).toBe(1);
  expect(hasSerialInput(board)).toBe(false);
  board.bus.store(UART_BASE, 1, 0x23);
  expect(Buffer.from(board.console.take()).toString()).toBe('#');
  expect(board.consoleInput(Buffer.from('b'))).toBe(1);
  expect(hasSerialInput(board)).toBe(true);
  expect(board.bus.load(UART_BASE, 1)).toBe(0x62);
});
